"""The loss of class activation maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def domain_attention_loss(*, source: Tensor | None = None, own: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of a translator's classifier: logits of `source` pictures towards 1, of its `own` towards 0.

    Both (N, any); the mean over each that is given, summed, so that knowing nothing costs 2·ln 2. Source: U-GAT-IT,
    eq. 5.
    """
    goals = [(logits.float(), goal) for logits, goal in ((source, 1.0), (own, 0.0)) if logits is not None]
    losses = [binary_cross_entropy_with_logits(logits, torch.full_like(logits, goal)) for logits, goal in goals]
    return torch.stack(losses).sum()
