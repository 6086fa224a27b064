"""How far a number that was measured on a sample can be trusted: percentile intervals of the bootstrap.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]
"""Numbers (R,) from R samples that are given as weights (R, N): how often each of the N pictures is in the sample."""

NUM_RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number, and the interval that holds it with a probability of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(statistic: Statistic, num_pictures: int, *, seed: int) -> Estimate:
    """`statistic` of all pictures, with the interval that drawing as many pictures with replacement gives.

    Samples for which the statistic is NaN (too few different pictures) are left out. The same for the same `seed`.
    """
    assert num_pictures > 0, "nothing was measured"
    draws = np.random.default_rng(seed).multinomial(
        num_pictures, np.full(num_pictures, 1 / num_pictures), size=NUM_RESAMPLES
    )
    tail = 100 * (1 - LEVEL) / 2
    found = statistic(draws.astype(np.float64))
    low, high = np.percentile(found[~np.isnan(found)], [tail, 100 - tail])
    return Estimate(float(statistic(np.ones((1, num_pictures)))[0]), float(low), float(high))


def mean_estimate(values: Values, *, seed: int) -> Estimate:
    """The mean of one value a picture (N,), with its interval."""
    return estimate(lambda weights: weights @ values / weights.sum(axis=1), len(values), seed=seed)
