"""A FaceNet of random weights in every file format, and what it computes, written without the project's own network.

The tensors have facenet-pytorch's names, with batch norms that are not folded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow_writer as writer
import torch
from torch import Tensor
from torch.nn import functional

from unpaired.faces.facenet_names import all_layers

Tensors = dict[str, Tensor]


def random_tensors(dim: int = 512) -> Tensors:
    """A state dict as facenet-pytorch's, with the head of a classifier; no batch norm has a scale, as there."""
    rng = torch.Generator().manual_seed(0)
    tensors: Tensors = {}

    def conv(name: str, dim_in: int, dim_out: int, height: int = 1, width: int = 1) -> None:
        kernel = torch.randn(dim_out, dim_in, height, width, generator=rng)
        tensors[f"{name}.conv.weight"] = kernel * (2 / (dim_in * height * width)) ** 0.5
        norm(f"{name}.bn", dim_out)

    def norm(name: str, dim_out: int) -> None:
        tensors[f"{name}.weight"] = torch.ones(dim_out)
        tensors[f"{name}.bias"] = 0.1 * torch.randn(dim_out, generator=rng)
        tensors[f"{name}.running_mean"] = 0.1 * torch.randn(dim_out, generator=rng)
        tensors[f"{name}.running_var"] = 0.5 + torch.rand(dim_out, generator=rng)
        tensors[f"{name}.num_batches_tracked"] = torch.tensor(1)

    def merge(name: str, dim_in: int, dim_out: int) -> None:
        tensors[f"{name}.conv2d.weight"] = torch.randn(dim_out, dim_in, 1, 1, generator=rng) * dim_in**-0.5
        tensors[f"{name}.conv2d.bias"] = 0.1 * torch.randn(dim_out, generator=rng)

    for name, dim_in, dim_out, size in [("1a", 3, 32, 3), ("2a", 32, 32, 3), ("2b", 32, 64, 3), ("3b", 64, 80, 1),
                                        ("4a", 80, 192, 3), ("4b", 192, 256, 3)]:  # fmt: skip
        conv(f"conv2d_{name}", dim_in, dim_out, size, size)
    for i in range(5):
        conv(f"repeat_1.{i}.branch0", 256, 32)
        conv(f"repeat_1.{i}.branch1.0", 256, 32)
        conv(f"repeat_1.{i}.branch1.1", 32, 32, 3, 3)
        conv(f"repeat_1.{i}.branch2.0", 256, 32)
        conv(f"repeat_1.{i}.branch2.1", 32, 32, 3, 3)
        conv(f"repeat_1.{i}.branch2.2", 32, 32, 3, 3)
        merge(f"repeat_1.{i}", 96, 256)
    conv("mixed_6a.branch0", 256, 384, 3, 3)
    conv("mixed_6a.branch1.0", 256, 192)
    conv("mixed_6a.branch1.1", 192, 192, 3, 3)
    conv("mixed_6a.branch1.2", 192, 256, 3, 3)
    for i in range(10):
        conv(f"repeat_2.{i}.branch0", 896, 128)
        conv(f"repeat_2.{i}.branch1.0", 896, 128)
        conv(f"repeat_2.{i}.branch1.1", 128, 128, 1, 7)
        conv(f"repeat_2.{i}.branch1.2", 128, 128, 7, 1)
        merge(f"repeat_2.{i}", 256, 896)
    conv("mixed_7a.branch0.0", 896, 256)
    conv("mixed_7a.branch0.1", 256, 384, 3, 3)
    conv("mixed_7a.branch1.0", 896, 256)
    conv("mixed_7a.branch1.1", 256, 256, 3, 3)
    conv("mixed_7a.branch2.0", 896, 256)
    conv("mixed_7a.branch2.1", 256, 256, 3, 3)
    conv("mixed_7a.branch2.2", 256, 256, 3, 3)
    for name in [*(f"repeat_3.{i}" for i in range(5)), "block8"]:
        conv(f"{name}.branch0", 1792, 192)
        conv(f"{name}.branch1.0", 1792, 192)
        conv(f"{name}.branch1.1", 192, 192, 1, 3)
        conv(f"{name}.branch1.2", 192, 192, 3, 1)
        merge(name, 384, 1792)
    tensors["last_linear.weight"] = torch.randn(dim, 1792, generator=rng) * 1792**-0.5
    norm("last_bn", dim)
    tensors["logits.weight"], tensors["logits.bias"] = torch.zeros(7, dim), torch.zeros(7)
    return tensors


def embeddings(tensors: Tensors, x: Tensor) -> Tensor:
    """What these tensors compute for standardised faces `x`, batch norms in evaluation mode, in double precision."""
    tensors = {name: tensor.double() for name, tensor in tensors.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        kinds = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(tensors[f"{name}.{kind}"] for kind in kinds), eps=1e-3)

    def conv(x: Tensor, *names: str, stride: int = 1, valid: bool = False) -> Tensor:
        for name in names:
            kernel = tensors[f"{name}.conv.weight"]
            padding = 0 if valid else (kernel.shape[2] // 2, kernel.shape[3] // 2)
            x = norm(functional.conv2d(x, kernel, stride=stride, padding=padding), f"{name}.bn").relu()
        return x

    def residual(x: Tensor, name: str, scale: float, branches: list[list[str]]) -> Tensor:
        found = torch.cat([conv(x, *(f"{name}.{part}" for part in branch)) for branch in branches], dim=1)
        merged = functional.conv2d(found, tensors[f"{name}.conv2d.weight"], tensors[f"{name}.conv2d.bias"])
        return x + scale * merged

    def halved(x: Tensor, *names: str) -> Tensor:
        return conv(conv(x, *names[:-1]), names[-1], stride=2, valid=True)

    def pool(x: Tensor) -> Tensor:
        return functional.max_pool2d(x, 3, 2)

    x = conv(conv(x.double(), "conv2d_1a", stride=2, valid=True), "conv2d_2a", valid=True)
    x = conv(pool(conv(x, "conv2d_2b")), "conv2d_3b")
    x = conv(conv(x, "conv2d_4a", valid=True), "conv2d_4b", stride=2, valid=True)
    three = [["branch0"], ["branch1.0", "branch1.1"], ["branch2.0", "branch2.1", "branch2.2"]]
    two = [["branch0"], ["branch1.0", "branch1.1", "branch1.2"]]
    for i in range(5):
        x = residual(x, f"repeat_1.{i}", 0.17, three).relu()
    deep = halved(x, *(f"mixed_6a.branch1.{i}" for i in range(3)))
    x = torch.cat([halved(x, "mixed_6a.branch0"), deep, pool(x)], dim=1)
    for i in range(10):
        x = residual(x, f"repeat_2.{i}", 0.1, two).relu()
    branches = [halved(x, *(f"mixed_7a.branch{b}.{i}" for i in range(n))) for b, n in [(0, 2), (1, 2), (2, 3)]]
    x = torch.cat([*branches, pool(x)], dim=1)
    for i in range(5):
        x = residual(x, f"repeat_3.{i}", 0.2, two).relu()
    x = residual(x, "block8", 1.0, two).mean(dim=(2, 3))
    x = norm(x @ tensors["last_linear.weight"].T, "last_bn")
    return x / x.norm(dim=1, keepdim=True)


def tensorflow_tensors(tensors: Tensors) -> dict[str, np.ndarray]:
    """The same weights under the original's names and in TensorFlow's order of axes."""
    kinds = {"moving_mean": "running_mean", "moving_variance": "running_var", "beta": "bias"}
    found: dict[str, np.ndarray] = {}
    for names in all_layers():
        kernel = tensors[f"{names.pytorch}.weight"].numpy()
        found[f"{names.tensorflow}/weights"] = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        if names.pytorch_norm is None:
            found[f"{names.tensorflow}/biases"] = tensors[f"{names.pytorch}.bias"].numpy()
        else:
            norm = names.pytorch_norm
            found |= {f"{names.tensorflow}/BatchNorm/{t}": tensors[f"{norm}.{p}"].numpy() for t, p in kinds.items()}
    return found


def write_graph(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a frozen graph of float32 constants."""
    with path.open("wb") as file:
        for name, array in arrays.items():
            shape = b"".join(writer.field(2, writer.number(1, size)) for size in array.shape)
            content = writer.field(4, np.ascontiguousarray(array, np.float32).tobytes())
            value = writer.field(8, writer.number(1, 1) + writer.field(2, shape) + content)
            attribute = writer.field(5, writer.field(1, b"value") + writer.field(2, value))
            file.write(writer.field(1, writer.field(1, name.encode()) + writer.field(2, b"Const") + attribute))
