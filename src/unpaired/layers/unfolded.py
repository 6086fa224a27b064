"""Convolutions as one matrix product over the patches of their input, for maps of fewer pixels than channels.

A discriminator's last kernels hold 134 MB and meet a dozen patches, so that reading them once is all there is to do.
Torch's convolution reorders such kernels for blocks of pixels that are not there, in each direction again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unpaired.layers.products import product
from unpaired.layers.thin import ThinGradient


@dataclass(frozen=True)
class Unfolded:
    """A convolution without padding whose patches are laid out as rows: they take k² / stride² times the input."""

    stride: int

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """x (N, C, H, W), weight (O, C, k, k) and bias (O,) → (N, O, h, w), in channels-last order."""
        height, width = self._size(x, weight)
        columns = product(_kernels(weight), self._patches(x, weight).t())  # the large matrix first: twice as fast
        by_channel = columns.view(-1, len(x), height, width).transpose(0, 1)
        out = by_channel.clone(memory_format=torch.channels_last)  # and no view: activations work on it in place
        return out if bias is None else out.add_(bias[:, None, None])

    def gradients(
        self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gradients of `x` and of `weight`, those that are `wanted`, by that of the result."""
        rows = _rows(grad)
        grad_x = self._folded(product(rows, _kernels(weight)), x, weight) if wanted[0] else None
        grad_weight = ThinGradient(rows, self._patches(x, weight)).dense(weight) if wanted[1] else None
        return grad_x, grad_weight

    def thin(self, grad: Tensor, x: Tensor, weight: Tensor) -> ThinGradient:
        """The gradient of `weight`, not multiplied out."""
        return ThinGradient(_rows(grad), self._patches(x, weight))

    def _size(self, x: Tensor, weight: Tensor) -> tuple[int, int]:
        """Height and width of the result."""
        height, width = ((x.shape[dim] - weight.shape[dim]) // self.stride + 1 for dim in (2, 3))
        return height, width

    def _patches(self, x: Tensor, weight: Tensor) -> Tensor:
        """What each pixel of the result is made of: (N·h·w, k·k·C)."""
        apart = x.permute(0, 2, 3, 1).unfold(1, weight.shape[2], self.stride).unfold(2, weight.shape[3], self.stride)
        return apart.permute(0, 1, 2, 4, 5, 3).flatten(0, 2).flatten(1)

    def _folded(self, patches: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """The adjoint of `_patches`: patches are added up where they overlap."""
        height, width = self._size(x, weight)
        each = patches.view(len(x), height, width, *weight.shape[2:], -1)
        out = torch.zeros_like(x, memory_format=torch.channels_last)
        for row in range(weight.shape[2]):
            for column in range(weight.shape[3]):
                target = out[:, :, row :: self.stride, column :: self.stride][:, :, :height, :width]
                target += each[:, :, :, row, column].permute(0, 3, 1, 2)
        return out


def _rows(grad: Tensor) -> Tensor:
    """The gradient of a result (N, O, h, w) by pixels: (N·h·w, O)."""
    return grad.permute(0, 2, 3, 1).flatten(0, 2)


def _kernels(weight: Tensor) -> Tensor:
    """`weight` as a matrix (O, k·k·C): no copy where it is in channels-last order."""
    return weight.permute(0, 2, 3, 1).flatten(1)
