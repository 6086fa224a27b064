"""Adversarial losses on raw score maps, one map per scale of a discriminator.

Losses are summed over the scales and averaged inside each map; there is no factor 1/2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, relu

Scores = Sequence[Tensor]


def lsgan(scores: Tensor, target: float) -> Tensor:
    """Mean of (scores − target)² (Mao et al., ICCV 2017, eq. 2)."""
    return (scores.float() - target).square().mean()


def nsgan(scores: Tensor, target: float) -> Tensor:
    """Mean binary cross-entropy of sigmoid(scores) with `target`: the non-saturating loss (Goodfellow et al., 2014)."""
    scores = scores.float()
    return binary_cross_entropy_with_logits(scores, torch.full_like(scores, target))


def hinge(scores: Tensor, target: float) -> Tensor:
    """Mean of max(0, 1 − s) for target 1 and max(0, 1 + s) for target 0, mixed between them (Lim & Ye, 2017)."""
    scores = scores.float()
    return (target * relu(1 - scores) + (1 - target) * relu(1 + scores)).mean()


_LOSSES: dict[str, Callable[[Tensor, float], Tensor]] = {"lsgan": lsgan, "nsgan": nsgan, "hinge": hinge}


def discriminator_loss(kind: str, fake: Scores, real: Scores) -> Tensor:
    """The scalar that a discriminator lowers: translations towards 0, real pictures towards 1."""
    loss = _LOSSES[kind]
    return torch.stack([loss(f, 0.0) + loss(r, 1.0) for f, r in zip(fake, real, strict=True)]).sum()


def mixup_discriminator_loss(kind: str, mixed: Scores, real_share: float) -> Tensor:
    """The scalar that a discriminator lowers when it sees real_share·real + (1 − real_share)·translation once."""
    loss = _LOSSES[kind]
    return torch.stack([loss(scores, real_share) for scores in mixed]).sum()


def generator_loss(kind: str, fake: Scores) -> Tensor:
    """The scalar that a generator lowers: its translations towards 1 (hinge: the mean score, upwards)."""
    if kind == "hinge":
        return torch.stack([-scores.float().mean() for scores in fake]).sum()
    return torch.stack([_LOSSES[kind](scores, 1.0) for scores in fake]).sum()
