"""Exponential moving average of the generators' weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Ema:
    """Holds `module`, an averaged copy of a network.

    Early in a run the decay is lowered to (1 + step) / (10 + step), or the average would remember the initial weights.
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(source).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, source: nn.Module, step: int) -> None:
        """Move the average towards `source` after its update number `step` (counted from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.module.parameters()), list(source.parameters()), 1 - decay)
        for kept, new in zip(self.module.buffers(), source.buffers(), strict=True):
            kept.copy_(new)
