"""The loss of class activation maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def domain_attention_loss(source: Tensor, own: Tensor) -> Tensor:
    """Binary cross-entropy of a translator's classifier: logits of `source` pictures towards 1, of its `own` towards 0.

    Both (N, any); the mean over each, summed, so that knowing nothing costs 2·ln 2. Source: U-GAT-IT, eq. 5.
    """
    source, own = source.float(), own.float()
    seen = binary_cross_entropy_with_logits(source, torch.ones_like(source))
    return seen + binary_cross_entropy_with_logits(own, torch.zeros_like(own))
