"""Inception Score and Conditional Inception Score: do translations show all modes of the target domain, for one input?

A classifier that tells the modes (breeds, colours) apart gives p(y|x) for every translation. IS looks at all
translations together, CIS (Huang et al., ECCV 2018, section 5.2) at those of one input: a model with one answer an
input has CIS 0, whatever its IS. The papers' values are means of the divergence, without the exponential that the
Inception Score of Salimans et al. (2016) has.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class ModeScore:
    """`per_input` (N,): the mean divergence of each input's translations, in nats. Their mean is the score."""

    per_input: Tensor

    @property
    def mean_kl(self) -> float:
        """The score without exponential, as MUNIT's table 2 has it: from 0 to ln(number of modes)."""
        return float(self.per_input.mean())

    @property
    def exponential(self) -> float:
        """exp(mean_kl), as the Inception Score is defined: from 1 to the number of modes."""
        return float(self.per_input.mean().exp())


def inception_score(probabilities: Tensor) -> ModeScore:
    """IS = E KL(p(y|x) ‖ p(y)) of translations with class `probabilities` (N, S, C): S translations of N inputs.

    p(y) is the mean over all translations of all inputs.
    """
    p = _checked(probabilities)
    return ModeScore(_divergence(p, p.mean(dim=(0, 1))).mean(dim=1))


def conditional_inception_score(probabilities: Tensor) -> ModeScore:
    """CIS = E KL(p(y|x₁₂) ‖ p(y|x₁)) of translations with class `probabilities` (N, S, C): S translations of N inputs.

    p(y|x₁) is the mean over the translations of the input x₁.
    """
    p = _checked(probabilities)
    return ModeScore(_divergence(p, p.mean(dim=1, keepdim=True)).mean(dim=1))


def _checked(probabilities: Tensor) -> Tensor:
    p = probabilities.double()
    assert p.dim() == 3, f"expected (inputs, translations, classes), got {tuple(p.shape)}"
    assert torch.allclose(p.sum(dim=2), torch.ones_like(p[..., 0]), atol=1e-4), "probabilities add up to 1"
    return p


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) over the last axis, in nats; 0·log 0 is 0."""
    safe_p, safe_q = p.clamp_min(SMALLEST_PROBABILITY), q.clamp_min(SMALLEST_PROBABILITY)
    return (p * (safe_p.log() - safe_q.log())).sum(dim=-1)
