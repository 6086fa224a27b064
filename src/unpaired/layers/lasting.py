"""Convolutions of a network that is only used: what depends on a kernel alone is computed once.

In float32 and bfloat16 on a CPU. Winograd's transformed kernels are kept, at up to four times the size of the kernels,
and kernels that are rounded to bfloat16.
Tiles have more outputs than what training allows itself forward, which is faster and rounds a little more: see
`layers.winograd`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from unpaired.layers.convolution import convolve, winograd_pays
from unpaired.layers.kept import Kept
from unpaired.layers.upsample import PHASE_KERNEL, interleaved, phase_weight
from unpaired.layers.winograd import Winograd

_WAYS = {  # by type, then by side and stride of the kernel
    torch.float32: {(3, 1): Winograd(3, 1, tile=4), (4, 2): Winograd(2, 2, tile=4)},
    torch.bfloat16: {(3, 1): Winograd(3, 1, tile=3), (4, 2): Winograd(2, 2, tile=4)},
}


class LastingKernel:
    """The kernel of one convolution. It may change: what is kept is then computed again."""

    def __init__(self) -> None:
        self._kept = Kept()

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        """`x` (N, C, H, W), padded already, convolved in its own type: (N, O, h, w).

        The `weight` is the parameter itself, whatever its type; `bias` is of the type of `x`.
        """
        way = _WAYS.get(x.dtype, {}).get((weight.shape[2], stride))
        if way is None or not winograd_pays(x, weight.shape, stride):
            return convolve(x, self.rounded(weight, x.dtype), bias, stride)
        return way.filtered(x, self._kept.of(weight, _Kernels(way, x.dtype)), bias)

    def convolve_doubled(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """`x`, padded by one pixel, convolved as after nearest ×2 (see `layers.upsample`)."""
        way = _WAYS.get(x.dtype, {}).get((PHASE_KERNEL, 1))
        phases = (4 * weight.shape[0], weight.shape[1], PHASE_KERNEL, PHASE_KERNEL)
        if way is None or not winograd_pays(x, phases, 1):
            biases = None if bias is None else bias.repeat(4)
            return interleaved(convolve(x, self._kept.of(weight, _Phases(x.dtype)), biases, 1))
        return way.filtered(x, self._kept.of(weight, _PhaseKernels(way, x.dtype)), bias, spread=2)

    def rounded(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """The `weight` in `dtype`."""
        return weight if weight.dtype == dtype else self._kept.of(weight, _Rounded(dtype))


@dataclass(frozen=True)
class _Rounded:
    """Rounds a weight to `dtype`."""

    dtype: torch.dtype

    def __call__(self, weight: Tensor) -> Tensor:
        return weight.to(self.dtype)


class _Phases(_Rounded):
    """Makes the phases of a weight (see `layers.upsample`), and rounds them once."""

    def __call__(self, weight: Tensor) -> Tensor:
        return super().__call__(_phases(weight))


@dataclass(frozen=True)
class _Kernels:
    """Transforms a weight as `way` uses it, and rounds it once, to `dtype`."""

    way: Winograd
    dtype: torch.dtype

    def __call__(self, weight: Tensor) -> Tensor:
        return self.way.kernels(weight).to(self.dtype)


class _PhaseKernels(_Kernels):
    """Likewise the phases of a weight: (n², 4·O, C)."""

    def __call__(self, weight: Tensor) -> Tensor:
        return super().__call__(_phases(weight))


def _phases(weight: Tensor) -> Tensor:
    return phase_weight(weight).contiguous(memory_format=torch.channels_last)


class Convolving(nn.Module):
    """A layer with one convolution. `kernel` is there when its weight is to last: see `make_lasting`."""

    kernel: LastingKernel | None = None


def make_lasting(network: nn.Module) -> None:
    """Let the convolutions of `network`, which is only used from now on, keep what they compute of their weights."""
    for module in network.modules():
        if isinstance(module, Convolving) and not is_parametrized(module):  # a parametrized weight is always new
            module.kernel = LastingKernel()
