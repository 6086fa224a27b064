"""Precision and recall against torch-fidelity, plain loops, and cases that can be seen at a glance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unpaired.errors import UserError
from unpaired.metrics.precision_recall import precision_recall


def drawn(num: int, seed: int, shift: float = 0.0, dim: int = 3) -> Tensor:
    return torch.randn(num, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def share_within(points: Tensor, centres: Tensor, k: int) -> float:
    """The definition, one picture at a time."""
    num_within = 0
    for point in points:
        for i, centre in enumerate(centres):
            others = sorted(float((centre - other).norm()) for j, other in enumerate(centres) if j != i)
            if float((point - centre).norm()) <= others[k - 1]:
                num_within += 1
                break
    return num_within / len(points)


@pytest.mark.parametrize("k", [1, 3])
def test_the_definition(k: int) -> None:
    real, fake = drawn(14, 0), drawn(11, 1, 0.8)
    found = precision_recall(real, fake, num_neighbours=k)
    assert found.precision == pytest.approx(share_within(fake, real, k))
    assert found.recall == pytest.approx(share_within(real, fake, k))
    assert 0 < found.precision < 1
    assert found.is_precise.mean() == pytest.approx(found.precision)
    assert (len(found.is_precise), len(found.is_covered)) == (11, 14)


def test_torch_fidelity() -> None:
    metric = pytest.importorskip("torch_fidelity.metric_prc")
    real, fake = drawn(150, 0, dim=16), drawn(130, 1, 0.3, dim=16)
    expected = metric.prc_features_to_metric(fake, real, prc_neighborhood=3, verbose=False)
    found = precision_recall(real, fake)
    assert 0.1 < found.precision < 0.9
    assert found.precision == pytest.approx(expected[metric.KEY_METRIC_PRECISION], abs=1e-6)
    assert found.recall == pytest.approx(expected[metric.KEY_METRIC_RECALL], abs=1e-6)


def test_a_model_that_knows_one_picture_is_precise_and_covers_nothing() -> None:
    real = drawn(40, 0)
    found = precision_recall(real, real[:1].repeat(20, 1))
    assert found.precision == 1
    assert found.recall == pytest.approx(1 / 40)  # the picture itself, at a distance of exactly 0


def test_pictures_from_elsewhere() -> None:
    found = precision_recall(drawn(20, 0), drawn(20, 1, 50.0))
    assert (found.precision, found.recall) == (0, 0)


def test_too_few() -> None:
    with pytest.raises(UserError, match="with 3 neighbours of 20 and 3 pictures") as caught:
        precision_recall(drawn(20, 0), drawn(3, 1))
    assert "4 of each" in str(caught.value)
