"""Whether the styles of real pictures follow N(0, I), the distribution that random styles are drawn from.

Translations in random styles are trained; those in the style of an example are good only as far as the example's code
is one that could have been drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unpaired.errors import UserError

MIN_CODES = 2


@dataclass(frozen=True)
class StylePrior:
    """Per dimension of the style code (D,): mean, standard deviation, and KL(N(mean, std²) ‖ N(0, 1)) in nats."""

    mean: Tensor
    std: Tensor
    divergence: Tensor
    num_codes: int

    @property
    def total_divergence(self) -> float:
        """The sum over the dimensions: how far the codes are from N(0, I), as far as means and spreads tell."""
        return float(self.divergence.sum())


def style_statistics(codes: Tensor) -> StylePrior:
    """What the style `codes` (N, D) of real pictures of one domain are like. Raises `UserError` for fewer than two.

    A dimension in which all codes are equal has an infinite divergence.
    """
    if len(codes) < MIN_CODES:
        raise UserError(f"The spread of {len(codes)} style codes cannot be told", "It takes two pictures or more.")
    codes = codes.double().cpu()
    mean, variance = codes.mean(dim=0), codes.var(dim=0, correction=1)
    divergence = (mean.square() + variance - variance.log() - 1) / 2
    return StylePrior(mean, variance.sqrt(), divergence, len(codes))
