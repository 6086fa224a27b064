"""Inception Score and Conditional Inception Score, as mean KL divergences and, labelled as that, with an exponential.

Both take what a classifier of the target domain's modes says of translations: how many modes they cover in all, and how
many for one input. MUNIT's paper prints mean KLs (its table 2 has values below 1); its code prints their exponentials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unpaired.metrics.bootstrap import Estimate, Values, estimate, mean_estimate
from unpaired.metrics.checks import check_probabilities


@dataclass(frozen=True)
class ScoreKl:
    """A score as the mean KL divergence in nats, from 0 to the logarithm of the number of classes.

    `per_input` (N,) has the mean over the styles of each input: the score is its mean.
    """

    per_input: Tensor

    @property
    def mean_kl(self) -> float:
        """The score without exponential, as in MUNIT's paper."""
        return float(self.per_input.mean())

    @property
    def exponential(self) -> float:
        """exp(mean KL), from 1 to the number of classes: the form of Salimans et al. (2016), and of MUNIT's code."""
        return math.exp(self.mean_kl)


def inception_score(probabilities: Tensor) -> ScoreKl:
    """E[KL(p(y|x) ‖ p(y))] over all translations x; p(y) is the mean of p(y|x) over all of them.

    `probabilities` (N, S, C) are p(y|x) of the S styles of N inputs for C classes. High where single translations are
    clearly of one class and all classes occur (Salimans et al., NIPS 2016). Raises `UsageError`.
    """
    p = _checked(probabilities)
    return ScoreKl(_divergence(p, p.mean(dim=(0, 1), keepdim=True)).mean(dim=1))


def conditional_inception_score(probabilities: Tensor) -> ScoreKl:
    """E over inputs of E[KL(p(y|x) ‖ p(y|input))]; p(y|input) is the mean of p(y|x) over the styles of one input.

    `probabilities` (N, S, C) as in `inception_score`. High where the styles of one input are clearly of different
    classes; 0 for models with one answer. It is at most ln(min(S, C)), and at most the Inception Score (Huang et al.,
    ECCV 2018, section 5.2; there N = 100, S = 100). Raises `UsageError`.
    """
    p = _checked(probabilities)
    return ScoreKl(_divergence(p, p.mean(dim=1, keepdim=True)).mean(dim=1))


def inception_score_estimate(probabilities: Tensor, *, seed: int) -> Estimate:
    """The Inception Score (mean KL) with the interval that resampling the inputs gives; p(y) is made anew each time."""
    p = _checked(probabilities)
    negative_entropies = _numpy(torch.special.xlogy(p, p).sum(dim=2).mean(dim=1))  # (N,)
    of_inputs = _numpy(p.mean(dim=1))  # (N, C)

    def score(weights: Values) -> Values:
        shares = weights / weights.sum(axis=1, keepdims=True)  # (R, N)
        marginals = shares @ of_inputs
        logarithms = np.log(np.where(marginals > 0, marginals, 1))
        found: Values = shares @ negative_entropies - (marginals * logarithms).sum(axis=1)
        return found

    return estimate(score, len(p), seed=seed)


def conditional_inception_score_estimate(probabilities: Tensor, *, seed: int) -> Estimate:
    """The Conditional Inception Score (mean KL) with the interval that resampling the inputs gives."""
    return mean_estimate(_numpy(conditional_inception_score(probabilities).per_input), seed=seed)


def _checked(probabilities: Tensor) -> Tensor:
    check_probabilities(probabilities)
    p = probabilities.detach().cpu().double()
    return p / p.sum(dim=2, keepdim=True)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) over the last dimension; q is 0 only where p is."""
    terms: Tensor = torch.special.xlogy(p, p) - torch.special.xlogy(p, q)
    return terms.sum(dim=-1).clamp_min(0)  # rounding may give less than 0


def _numpy(values: Tensor) -> Values:
    array: Values = values.numpy()
    return array
