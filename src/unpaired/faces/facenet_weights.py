"""Loads FaceNet's weights from every file that they are passed on in.

- A frozen graph (`.pb`): the original's own, or one whose batch norms were folded into the convolutions.
- A checkpoint of the original: the folder that its `--facenet_checkpoint_dir` names, or the name of the files in it.
  Averages and optimizer slots, which some releases saved too, are not used, as the original does not use them either.
- The state dict (`.pt`) of github.com/timesler/facenet-pytorch.

Batch norms that are not folded yet are folded here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unpaired.errors import UserError
from unpaired.faces.facenet import InceptionResnetV1
from unpaired.faces.facenet_names import TENSORFLOW_SCOPE, LayerNames, all_layers
from unpaired.tensorflow_files.checkpoint import find_prefix, read_checkpoint
from unpaired.tensorflow_files.graph import read_constants

Array = npt.NDArray[Any]
Parts = dict[str, Array]
"""One layer of a file: `kernel` (out, in, ...), and `bias` or else `mean`, `variance`, `shift` and perhaps `scale`."""

BATCH_NORM_EPS = 1e-3
GRAPH_ENDINGS = (".pb",)
PYTORCH_ENDINGS = (".pt", ".pth")
NUM_NAMES_SHOWN = 3


def load_facenet(path: Path) -> InceptionResnetV1:
    """The network with the weights in `path`: float32 on the CPU, in evaluation mode, frozen.

    Raises `UserError` when `path` is missing, torn or holds another network, naming what was found.
    """
    if path.suffix in PYTORCH_ENDINGS:
        tensors, parts_of = _read_state_dict(path), _pytorch_parts
    else:
        tensors, parts_of = _read_tensorflow(path), _tensorflow_parts
    layers: dict[str, Parts] = {}
    missing: list[str] = []
    for names in all_layers():
        try:
            layers[names.ours] = parts_of(tensors, names)
        except KeyError as error:
            missing.append(str(error.args[0]))
    if missing:
        raise _other_network(path, f"{_some(missing)} missing; it holds {_some(tensors)}")
    return _network(layers, path)


def _network(layers: Mapping[str, Parts], path: Path) -> InceptionResnetV1:
    """The network made of `layers`. Raises `UserError` when one has another shape."""
    with torch.device("meta"):  # no memory is filled with weights that are replaced at once
        network = InceptionResnetV1(dim=next(iter(layers["head"]["kernel"].shape), 0))
    wrong = [
        f"{kind} of {name} is {array.shape}, not {expected}"
        for name, parts in layers.items()
        for kind, array in parts.items()
        if array.shape != (expected := _expected_shape(network, name, kind))
    ]
    if wrong:
        raise _other_network(path, _some(wrong))
    state: dict[str, Tensor] = {}
    for name, parts in layers.items():
        kernel, bias = _folded(parts)
        state |= {f"{name}.weight": torch.from_numpy(kernel), f"{name}.bias": torch.from_numpy(bias)}
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _expected_shape(network: InceptionResnetV1, name: str, kind: str) -> tuple[int, ...]:
    """The shape of one part of layer `name`: all but the kernel have one number a channel."""
    return tuple(network.get_parameter(f"{name}.weight" if kind == "kernel" else f"{name}.bias").shape)


def _folded(parts: Parts) -> tuple[Array, Array]:
    """Kernel and bias in float32, with the batch norm, if there is one, folded in."""
    kernel = parts["kernel"].astype(np.float64)
    if "bias" in parts:
        bias = parts["bias"]
    else:
        gain = parts.get("scale", 1.0) / np.sqrt(parts["variance"].astype(np.float64) + BATCH_NORM_EPS)
        kernel = kernel * gain.reshape(-1, *[1] * (kernel.ndim - 1))
        bias = parts["shift"] - parts["mean"] * gain
    return np.ascontiguousarray(kernel, np.float32), bias.astype(np.float32)


def _tensorflow_parts(tensors: Mapping[str, Array], names: LayerNames) -> Parts:
    base = names.tensorflow
    kernel = tensors[f"{base}/weights"]  # (height, width, in, out), or (in, out)
    kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
    folded = f"{base}/Conv2D_bn_offset" if names.pytorch_norm else f"{base}/biases"
    if folded in tensors or not names.pytorch_norm:
        return {"kernel": kernel, "bias": tensors[folded]}
    norm = f"{base}/BatchNorm"
    parts = {"mean": tensors[f"{norm}/moving_mean"], "variance": tensors[f"{norm}/moving_variance"]}
    return {"kernel": kernel, "shift": tensors[f"{norm}/beta"], **parts}  # it was trained without gamma


def _pytorch_parts(tensors: Mapping[str, Array], names: LayerNames) -> Parts:
    kernel, norm = tensors[f"{names.pytorch}.weight"], names.pytorch_norm
    if norm is None:
        return {"kernel": kernel, "bias": tensors[f"{names.pytorch}.bias"]}
    kinds = {"mean": "running_mean", "variance": "running_var", "shift": "bias", "scale": "weight"}
    return {"kernel": kernel, **{ours: tensors[f"{norm}.{theirs}"] for ours, theirs in kinds.items()}}


def _read_tensorflow(path: Path) -> dict[str, Array]:
    if path.suffix in GRAPH_ENDINGS:
        return read_constants(path)
    prefix = find_prefix(path)
    tensors = read_checkpoint(prefix, lambda name: name.startswith(f"{TENSORFLOW_SCOPE}/"))
    if not tensors:
        raise _other_network(path, f"no variable of {prefix.name} starts with {TENSORFLOW_SCOPE}/")
    return tensors


def _read_state_dict(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file", "Give facenet-pytorch's .pt file.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        # torch's own text is left out: it tells people to load the file in the way that may run code
        raise UserError(f"{path}: is torn or not a PyTorch file of tensors", "Fetch or copy it again.") from error
    if not isinstance(content, Mapping) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        seen = _some(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise _other_network(path, f"it holds {seen}")
    return {name: tensor.detach().float().numpy() for name, tensor in content.items()}


def _other_network(path: Path, why: str) -> UserError:
    return UserError(
        f"{path}: is not FaceNet's Inception-ResNet-v1: {why}",
        "Give its frozen graph (.pb), the folder of its TensorFlow checkpoint, or facenet-pytorch's .pt file.",
    )


def _some(names: Iterable[str]) -> str:
    """The first few of `names`, and how many more there are."""
    listed = list(names)
    rest = len(listed) - NUM_NAMES_SHOWN
    return ", ".join(listed[:NUM_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
