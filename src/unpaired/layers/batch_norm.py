"""Sums over pixels, and gains and shifts of channels, by torch's batch norm: on a CPU the fastest there is for both.

Its kernels go through a map in channels-last order as it lies in memory, read maps of bfloat16 as they are and compute
in float32. What other operations offer for the same takes two to five times as long.

A channel is added up pixel by pixel, which rounds the more the longer it goes on: over 256² pixels to the fifth digit.
So a map of C channels is handed over as one of k·C channels, each pixel of which is k pixels side by side, and the k
results of a channel are put together after.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from unpaired.layers.blocks import is_in_order

_MOST_PIXELS = 128  # to add up one after the other
_FEW_NUMBERS = 2**16  # of a sample: for fewer, operations on all samples at once are as fast

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of the map, the gain and the shift."""


def suits(x: Tensor) -> bool:
    """Whether these kernels are the fastest for `x` (N, C, H, W): a large map in channels-last order on a CPU."""
    return is_in_order(x) and x.shape[1:].numel() >= _FEW_NUMBERS


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (N, C) of each channel of each map in `x` (N, C, H, W), in float32 or better."""
    means, variances = zip(*map(_moments, torch.split(x, 1)), strict=True)
    return torch.stack(means), torch.stack(variances)


def affine_into(out: Tensor, x: Tensor, gain: Tensor, shift: Tensor) -> None:
    """Write x · gain + shift to `out`. Both maps (1, C, H, W) are in channels-last order, `gain` and `shift` (C,)."""
    as_they_are = torch.zeros_like(gain), torch.ones_like(gain)  # the mean and the variance to standardize by
    no_moments = gain.new_empty(0), gain.new_empty(0)
    torch.native_batch_norm(x, gain, shift, *as_they_are, False, 0.0, 0.0, out=(out, *no_moments))


def affine_gradients(grad: Tensor, x: Tensor, gain: Tensor, wanted: tuple[bool, ...]) -> Gradients:
    """The gradients, those that are `wanted`, by `grad`, that of what `affine_into` writes: of its type and order."""
    num_groups = _num_groups(x)
    gains = gain.repeat(num_groups)
    as_they_are = torch.zeros_like(gains), torch.ones_like(gains)
    of_x, *sums = torch.ops.aten.native_batch_norm_backward(
        _grouped(grad), _grouped(x), gains, *as_they_are, None, None, False, 0.0, wanted
    )
    of_gain, of_shift = (each.view(num_groups, -1).sum(dim=0) if want else None
                         for each, want in zip(sums, wanted[1:], strict=True))  # fmt: skip
    return of_x.view(x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2) if wanted[0] else None, of_gain, of_shift


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (C,) of one map (1, C, H, W)."""
    groups = _grouped(x)
    running = torch.zeros(2, groups.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))  # for its type alone
    found = torch.batch_norm_update_stats(groups, running[0], running[1], 0.0)
    means, variances = (each.view(-1, x.shape[1]) for each in found)
    mean = means.mean(dim=0)
    return mean, variances.mean(dim=0).add_((means - mean).square_().mean(dim=0))


def _grouped(x: Tensor) -> Tensor:
    """The map (1, C, H, W) with its pixels in groups of k: (H·W / k, k·C). A view."""
    num_groups = _num_groups(x)
    return x.permute(0, 2, 3, 1).view(x.shape[2:].numel() // num_groups, -1)


def _num_groups(x: Tensor) -> int:
    return _divisor(x.shape[2:].numel())


@cache
def _divisor(num_pixels: int) -> int:
    """The largest that leaves no fewer than `_MOST_PIXELS`. Sides of a map are divisors too: it is never far off."""
    most = max(1, num_pixels // _MOST_PIXELS)
    return next(size for size in range(most, 0, -1) if num_pixels % size == 0)
