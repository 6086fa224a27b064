"""What a loss gives to a step: terms to lower, and numbers to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Observed:
    """Numbers (N,) of the samples of a batch and how much each of them counts (N,): 0 for those that have none."""

    values: Tensor
    counts: Tensor

    def sums(self) -> Tensor:
        """The sum over those that count, and their number: (2,)."""
        return torch.stack([torch.where(self.counts > 0, self.values, 0).sum(), self.counts.sum()])


@dataclass(frozen=True)
class Terms:
    """`losses`: unweighted scalars by name. `observed`: numbers that are only shown, by their name in the log."""

    losses: Mapping[str, Tensor] = field(default_factory=dict)
    observed: Mapping[str, Observed] = field(default_factory=dict)

    def __or__(self, others: Terms) -> Terms:
        return Terms({**self.losses, **others.losses}, {**self.observed, **others.observed})
