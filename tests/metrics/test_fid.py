"""The Fréchet distance against its closed forms and torch-fidelity."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unpaired.errors import UserError
from unpaired.metrics.fid import frechet_distance


def drawn(num: int, seed: int, dim: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    return torch.randn(num, dim, generator=generator, dtype=torch.float64) @ mixing


def torch_fidelitys(first: Tensor, second: Tensor) -> float:
    metric = pytest.importorskip("torch_fidelity.metric_fid")
    statistics = [metric.fid_features_to_statistics(side) for side in (first, second)]
    return float(metric.fid_statistics_to_metric(*statistics, verbose=False)[metric.KEY_METRIC_FID])


def test_torch_fidelity() -> None:
    x, y = drawn(60, 0), drawn(45, 1)
    assert frechet_distance(x, y) == pytest.approx(torch_fidelitys(x, y), rel=1e-6)


def test_torch_fidelity_with_fewer_pictures_than_features() -> None:
    """Its square roots of rounding errors cost digits here; ours have none."""
    x, y = drawn(20, 0, dim=64), drawn(90, 1, dim=64)
    assert frechet_distance(x, y) == pytest.approx(torch_fidelitys(x, y), rel=1e-5)


def test_one_dimension() -> None:
    """(m₁ - m₂)² + (s₁ - s₂)²."""
    x, y = drawn(30, 0, dim=1), drawn(20, 1, dim=1) + 3
    expected = (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-9)


def test_covariances_that_commute() -> None:
    """The same picture features, stretched along their own axes: Σ (s₁ - s₂)² over the principal axes."""
    x = drawn(50, 0)
    x = x - x.mean(dim=0)
    covariance = x.T @ x / 49
    variances, axes = torch.linalg.eigh(covariance)
    stretch = torch.linspace(0.5, 2, 8, dtype=torch.float64)
    y = (x @ axes * stretch) @ axes.T + 1
    expected = (variances * (1 - stretch) ** 2).sum() + 8
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-9)


def test_equal_sets_also_when_the_covariance_is_singular() -> None:
    for num in (50, 5):
        assert frechet_distance(drawn(num, 0), drawn(num, 0)) == pytest.approx(0, abs=1e-9)


def test_one_picture_is_too_few() -> None:
    with pytest.raises(UserError, match="5 and 1"):
        frechet_distance(drawn(5, 0), drawn(1, 1))
