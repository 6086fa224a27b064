"""Convolutions of a network that is only used: what depends on a kernel alone is computed once.

In float32 on a CPU. Winograd's transformed kernels are kept, at four times the size of the kernels. Tiles have 4×4
outputs, which is faster than what training allows itself forward and rounds a little more: see `layers.winograd`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from unpaired.layers.convolution import winograd_pays
from unpaired.layers.kept import Kept
from unpaired.layers.upsample import phase_weight
from unpaired.layers.winograd import Winograd

_FILTERS = {(3, 1): Winograd(3, 1, tile=4), (4, 2): Winograd(2, 2, tile=4)}
"""By side and stride of the kernel."""


class LastingKernel:
    """The kernel of one convolution. It may change: what is kept is then computed again."""

    def __init__(self) -> None:
        self._kept = Kept()

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor | None:
        """`x` (N, C, H, W), padded already, convolved: (N, O, h, w). None where another way is faster."""
        way = _FILTERS.get((weight.shape[2], stride))
        if way is None or not winograd_pays(x, weight, stride):
            return None
        return way.filtered(x, self._kept.of(weight, way.kernels), bias)

    def convolve_doubled(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
        """`x`, padded by one pixel, convolved as after nearest ×2 (see `layers.upsample`). None as above."""
        if not winograd_pays(x, self._kept.of(weight, phase_weight), 1):
            return None
        return _FILTERS[3, 1].filtered(x, self._kept.of(weight, _phase_kernels), bias, spread=2)


def _phase_kernels(weight: Tensor) -> Tensor:
    """The transformed kernels of the phases of `weight`, in the order of `Winograd.filtered`: (n², 4·O, C)."""
    kernels = _FILTERS[3, 1].kernels(phase_weight(weight).contiguous(memory_format=torch.channels_last))
    return torch.unflatten(kernels, 1, (-1, 4)).transpose(1, 2).flatten(1, 2)


class Convolving(nn.Module):
    """A layer with one convolution. `kernel` is there when its weight is to last: see `make_lasting`."""

    kernel: LastingKernel | None = None


def make_lasting(network: nn.Module) -> None:
    """Let the convolutions of `network`, which is only used from now on, keep what they compute of their weights."""
    for module in network.modules():
        if isinstance(module, Convolving) and not is_parametrized(module):  # a parametrized weight is always new
            module.kernel = LastingKernel()
