"""How near a translation is to the true answer, where test pictures come in pairs; and how near two pictures are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unpaired.metrics.checks import check_pairs, check_styles_of
from unpaired.metrics.distances import PictureDistance

MAX_PSNR_DB = 100.0
_RANGE = 2.0  # from -1 to 1


@torch.no_grad()
def distances_to_truth(pictures: Tensor, truth: Tensor, distance: PictureDistance) -> Tensor:
    """The distance (N, S) of each style of `pictures` (N, S, 3, H, W) to `truth` (N, 3, H, W), all in [-1, 1].

    Raises `UsageError`.
    """
    check_styles_of(pictures, truth)
    rows = []
    for styles, true in zip(pictures, truth, strict=True):
        target = distance.features(true[None])
        near = [distance.between(distance.features(part), target).cpu() for part in distance.parts_of(styles)]
        rows.append(torch.cat(near))
    return torch.stack(rows)


def best_of(distances: Tensor) -> Tensor:
    """The least distance (N,) of (N, S): how near the best of S styles comes. It falls with S: say how many."""
    return distances.amin(dim=1)


def mean_of(distances: Tensor) -> Tensor:
    """The mean distance (N,) of (N, S). Its expectation does not depend on S."""
    return distances.mean(dim=1)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """The peak signal-to-noise ratio (N,) in dB of `x` and `y` (N, 3, H, W) in [-1, 1], at most `MAX_PSNR_DB`.

    10 · log10(range² / mean squared error); equal pictures, which have none, count as 100 dB. Raises `UsageError`.
    """
    check_pairs(x, y)
    error = (x.double() - y.double()).square().mean(dim=(1, 2, 3))
    least = _RANGE**2 / 10 ** (MAX_PSNR_DB / 10)
    return (10 * (2 * math.log10(_RANGE) - error.clamp_min(least).log10())).float()
