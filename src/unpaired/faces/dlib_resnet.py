"""dlib's face recognition network (King, 2017) with the weights of face-api: a ResNet of 29 convolutions, 128 numbers.

The network is that of dlib's `dnn_face_recognition_ex.cpp`, a ResNet-34 with fewer layers and half the filters. Each
convolution is followed by a scale and a shift per channel, which are folded into it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, pad, relu

from unpaired.errors import UserError
from unpaired.pretrained import tfjs

MANIFEST = "face_recognition_model-weights_manifest.json"
STEM = "conv32_down"
BLOCKS = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
MEAN_RGB = (122.782, 117.001, 104.298)
Arrays = Mapping[str, NDArray[Any]]


class FoldedConv(nn.Module):
    """A convolution with the scale and shift of its channels folded in."""

    def __init__(self, arrays: Arrays, name: str, *, stride: int, padding: int) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        scale = arrays[f"{name}/scale/weights"].astype(np.float64)  # (out,)
        kernel = arrays[f"{name}/conv/filters"] * scale  # (height, width, in, out)
        bias = arrays[f"{name}/conv/bias"] * scale + arrays[f"{name}/scale/biases"]
        self.weight = nn.Parameter(torch.from_numpy(kernel.transpose(3, 2, 0, 1).astype(np.float32)))
        self.bias = nn.Parameter(torch.from_numpy(bias.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, in, H, W) convolved, scaled and shifted."""
        return conv2d(x, self.weight, self.bias, self.stride, self.padding)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut without parameters.

    A block that halves the picture has an average pool in its shortcut, and zeros for the channels that it adds.
    """

    def __init__(self, arrays: Arrays, name: str) -> None:
        super().__init__()
        self.halves = "_down" in name
        first = {"stride": 2, "padding": 0} if self.halves else {"stride": 1, "padding": 1}
        self.first = FoldedConv(arrays, f"{name}/conv1", **first)
        self.second = FoldedConv(arrays, f"{name}/conv2", stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, out, h, w) from `x` (N, in, H, W)."""
        residual = self.second(relu(self.first(x)))
        shortcut = avg_pool2d(x, 2) if self.halves else x
        return relu(_grown(shortcut, residual) + _grown(residual, shortcut))


class DlibFaceResNet(nn.Module):
    """Faces as 128 numbers, whose Euclidean distance is below 0.6 for one person (dlib's documentation)."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        self.stem = FoldedConv(arrays, STEM, stride=2, padding=0)
        self.blocks = nn.Sequential(*(ResidualBlock(arrays, name) for name in BLOCKS))
        self.head = nn.Parameter(torch.from_numpy(arrays["fc"].astype(np.float32)))  # (channels, dim)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1))

    @property
    def dim(self) -> int:
        """How many numbers describe a face."""
        return self.head.shape[1]

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, dim) numbers, not of unit length, for RGB faces `pixels` (N, 3, 150, 150) in [0, 255]."""
        x = (pixels - self.mean) / 255
        x = max_pool2d(relu(self.stem(x)), 3, stride=2)
        features: Tensor = self.blocks(x)  # (N, channels, 2, 2)
        return features.mean(dim=(2, 3)) @ self.head


def load_dlib_face(folder: Path) -> DlibFaceResNet:
    """The network with the weights in `folder`: face-api's manifest and binary file.

    Raises `UserError` when a file is torn, or holds another network.
    """
    arrays = tfjs.read_weights(folder / MANIFEST)
    try:
        return DlibFaceResNet(arrays)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{folder}: is not dlib's face recognition network ({error})", "Type: unpaired weights get dlib-face"
        ) from error


def _grown(x: Tensor, other: Tensor) -> Tensor:
    """`x` (N, C, H, W) with zeros after its channels, rows and columns where `other` has more."""
    channels, rows, columns = (max(0, b - a) for a, b in zip(x.shape[1:], other.shape[1:], strict=True))
    return pad(x, (0, columns, 0, rows, 0, channels))
