"""Precision and recall of generated pictures (Kynkäänniemi et al., NeurIPS 2019), for the features of any network.

The paper took features of VGG16: its numbers can only be compared with others from that network.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from unpaired.metrics.bootstrap import Values
from unpaired.metrics.checks import check_features

CHUNK = 64


@dataclass(frozen=True)
class PrecisionRecall:
    """Shares between 0 and 1: fake pictures that look like real ones, and real ones that the fake ones cover.

    `is_precise` (N,) and `is_covered` (M,) hold 1 or 0 for each fake and each real picture; the shares are their means.
    """

    precision: float
    recall: float
    is_precise: Values = field(repr=False, compare=False)
    is_covered: Values = field(repr=False, compare=False)


def precision_recall(real: Tensor, fake: Tensor, *, num_neighbours: int = 3) -> PrecisionRecall:
    """Precision and recall of `fake` (N, D) against `real` (M, D), equations 1 and 2 of the paper.

    A picture counts as in a set when it is not farther from one of its members than the member's `num_neighbours`-th
    nearest neighbour in the set. Both shares depend on the counts: with few pictures the balls are large. Raises
    `UserError` when a side has not more than `num_neighbours` pictures.
    """
    what = f"Precision and recall with {num_neighbours} neighbours"
    check_features(what, real, fake, fewest=num_neighbours + 1)
    real, fake = real.double(), fake.double()
    is_precise = _is_within(fake, real, _radii(real, num_neighbours)).double().numpy()
    is_covered = _is_within(real, fake, _radii(fake, num_neighbours)).double().numpy()
    return PrecisionRecall(float(is_precise.mean()), float(is_covered.mean()), is_precise, is_covered)


def _radii(points: Tensor, num_neighbours: int) -> Tensor:
    """The distance (N,) of each of `points` (N, D) to its `num_neighbours`-th nearest neighbour, itself not counted."""
    chunks = torch.split(points, CHUNK)
    return torch.cat([_distances(chunk, points).kthvalue(num_neighbours + 1, dim=1).values for chunk in chunks])


def _is_within(points: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Whether each of `points` (N, D) lies in one of the balls around `centres` (M, D): (N,)."""
    return torch.cat([(_distances(chunk, centres) <= radii).any(dim=1) for chunk in torch.split(points, CHUNK)])


def _distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Exact also for equal pictures, whose distance a product of matrices would not make 0."""
    return torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")
