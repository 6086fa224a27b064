"""Whether the style codes of real pictures follow the distribution that styles are drawn from, N(0, I).

MUNIT draws styles from the prior and promises that encoded ones follow it too (Huang et al., ECCV 2018, proposition 1).
Where they do not, translations by example get codes that the decoder has never seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.metrics.bootstrap import Estimate, Values, estimate

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


@dataclass(frozen=True)
class StyleEstimates:
    """Means over the dimensions of |mean|, std and KL to N(0, 1), each with its interval over pictures."""

    shift: Estimate
    std: Estimate
    kl: Estimate


def style_statistics(codes: Tensor) -> StylePrior:
    """How the style codes (N, D) compare with N(0, I). Raises `UsageError` for fewer than two codes, or NaN.

    The standard deviation is that of a sample (divided by N − 1); less than 1e-6 counts as 1e-6 in the KL.
    """
    values = _checked(codes)
    mean, std = values.mean(dim=0), values.std(dim=0)
    variance = std.clamp_min(MIN_STD).square()
    kl = (mean.square() + variance - 1 - variance.log()) / 2
    by_chance = values.shape[1] * _kl_of_normal_codes(len(values))
    return StylePrior(mean, std, kl, by_chance, len(values))


def style_estimates(codes: Tensor, *, seed: int) -> StyleEstimates:
    """The statistics of the style codes (N, D), averaged over dimensions, with 95 % intervals over pictures.

    Raises `UsageError` as `style_statistics` does.
    """
    values = _checked(codes).numpy()

    def moments(weights: Values) -> tuple[Values, Values]:
        """Mean and variance (R, D) of the codes in R samples, given as weights (R, N)."""
        num = weights.sum(axis=1, keepdims=True)
        mean = weights @ values / num
        centred = weights @ (values - values.mean(axis=0)) ** 2 / num - (mean - values.mean(axis=0)) ** 2
        return mean, np.maximum(centred, 0) * num / (num - 1)

    def kl(weights: Values) -> Values:
        mean, variance = moments(weights)
        variance = np.maximum(variance, MIN_STD**2)
        divergence: Values = ((mean**2 + variance - 1 - np.log(variance)) / 2).mean(axis=1)
        return divergence

    return StyleEstimates(
        shift=estimate(lambda weights: np.abs(moments(weights)[0]).mean(axis=1), len(values), seed=seed),
        std=estimate(lambda weights: np.sqrt(moments(weights)[1]).mean(axis=1), len(values), seed=seed),
        kl=estimate(kl, len(values), seed=seed),
    )


def _checked(codes: Tensor) -> Tensor:
    """The codes in float64 on the CPU."""
    if codes.ndim != 2 or len(codes) < MIN_CODES or not codes.shape[1]:
        raise UsageError(f"style codes of shape {tuple(codes.shape)}", "It takes (N, style_dim) with two or more.")
    if not torch.isfinite(codes).all():
        raise UsageError("style codes hold numbers that are not finite", "Check the model that they come from.")
    return codes.detach().cpu().double()


def _kl_of_normal_codes(num: int) -> float:
    """The expected KL in one dimension of `num` codes drawn from N(0, 1).

    E[mean²] = 1 / N, E[variance] = 1, and (N − 1) · variance is chi-squared, whose logarithm has a known expectation.
    """
    half = (num - 1) / 2
    mean_log_variance = float(torch.digamma(torch.tensor(half, dtype=torch.float64))) - math.log(half)
    return (1 / num - mean_log_variance) / 2
