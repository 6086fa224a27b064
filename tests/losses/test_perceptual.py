"""The domain-invariant distance against its formula, and what makes it domain-invariant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unpaired.losses.perceptual import domain_invariant_distance


@pytest.fixture
def features() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 3, 5, 7, 6, generator=generator)
    return first * 3 + 1, second


def formula(first: Tensor, second: Tensor) -> float:
    """mean((IN(first) − IN(second))²), in float64, one map at a time."""
    squares = []
    for a, b in zip(first.flatten(0, 1).numpy(), second.flatten(0, 1).numpy(), strict=True):
        a, b = a.astype(np.float64), b.astype(np.float64)
        normalised = [(m - m.mean()) / np.sqrt(m.var() + 1e-5) for m in (a, b)]
        squares.append((normalised[0] - normalised[1]) ** 2)
    return float(np.mean(squares))


def test_it_is_the_formula(features: tuple[Tensor, Tensor]) -> None:
    assert domain_invariant_distance(*features).item() == pytest.approx(formula(*features), rel=1e-5)


def test_means_and_variances_of_maps_do_not_count(features: tuple[Tensor, Tensor]) -> None:
    first, _ = features
    recoloured = first * torch.tensor([0.5, 1, 2, 3, 4]).view(1, 5, 1, 1) + torch.arange(5.0).view(1, 5, 1, 1)
    assert domain_invariant_distance(recoloured, first).item() == pytest.approx(0, abs=1e-6)
    assert domain_invariant_distance(first.flip(3), first).item() > 0.5


def test_the_translation_gets_a_gradient(features: tuple[Tensor, Tensor]) -> None:
    first, second = (tensor.requires_grad_() for tensor in features)
    domain_invariant_distance(first, second.detach()).backward()
    assert first.grad is not None
    assert bool((first.grad != 0).any())
    assert second.grad is None


def test_half_precision_is_compared_in_float32(features: tuple[Tensor, Tensor]) -> None:
    first, second = (tensor.bfloat16() for tensor in features)
    found = domain_invariant_distance(first, second)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(formula(first.float(), second.float()), rel=1e-5)
