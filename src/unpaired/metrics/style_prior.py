"""Whether the style codes of real pictures follow the distribution that styles are drawn from, N(0, I).

MUNIT draws styles from the prior and promises that encoded ones follow it too (Huang et al., ECCV 2018, proposition 1).
Where they do not, translations by example get codes that the decoder has never seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unpaired.errors import UsageError

MIN_CODES = 2
MIN_STD = 1e-6


@dataclass(frozen=True)
class StylePrior:
    """How codes are distributed in each dimension (D,), and how far that is from N(0, 1), in nats.

    `kl` is KL(N(mean, std²) ‖ N(0, 1)), `total_kl` its sum. Few codes have a positive one by chance:
    `total_kl_by_chance` is what as many codes drawn from N(0, I) give on average. Dimensions are looked at one by one:
    that they depend on each other is not seen.
    """

    mean: Tensor
    std: Tensor
    kl: Tensor
    total_kl_by_chance: float
    num_codes: int

    @property
    def total_kl(self) -> float:
        """The sum of `kl` over the dimensions."""
        return float(self.kl.sum())


def style_statistics(codes: Tensor) -> StylePrior:
    """How the style codes (N, D) compare with N(0, I). Raises `UsageError` for fewer than two codes, or NaN.

    The standard deviation is that of a sample (divided by N − 1); less than 1e-6 counts as 1e-6 in the KL.
    """
    if codes.ndim != 2 or len(codes) < MIN_CODES or not codes.shape[1]:
        raise UsageError(f"style codes of shape {tuple(codes.shape)}", "It takes (N, style_dim) with two or more.")
    if not torch.isfinite(codes).all():
        raise UsageError("style codes hold numbers that are not finite", "Check the model that they come from.")
    values = codes.detach().cpu().double()
    mean, std = values.mean(dim=0), values.std(dim=0)
    variance = std.clamp_min(MIN_STD).square()
    kl = (mean.square() + variance - 1 - variance.log()) / 2
    by_chance = values.shape[1] * _kl_of_normal_codes(len(values))
    return StylePrior(mean, std, kl, by_chance, len(values))


def _kl_of_normal_codes(num: int) -> float:
    """The expected KL in one dimension of `num` codes drawn from N(0, 1).

    E[mean²] = 1 / N, E[variance] = 1, and (N − 1) · variance is chi-squared, whose logarithm has a known expectation.
    """
    half = (num - 1) / 2
    mean_log_variance = float(torch.digamma(torch.tensor(half, dtype=torch.float64))) - math.log(half)
    return (1 / num - mean_log_variance) / 2
