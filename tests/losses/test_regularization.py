import math

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from unpaired.losses.regularization import (
    contrast_distance,
    gradient_penalty,
    mode_seeking,
    style_prior_divergence,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_penalty_of_a_linear_discriminator_is_half_its_squared_weights():
    weight = torch.randn(3, 8, 8, generator=rng(), requires_grad=True)
    x = torch.randn(5, 3, 8, 8, generator=rng(1), requires_grad=True)
    score = (x * weight).sum(dim=(1, 2, 3))[:, None, None, None]
    scores = [score.expand(-1, 1, 2, 2), 2 * score]  # a map's mean counts, and maps add up: three times the slope
    penalty = gradient_penalty(scores, x)
    assert penalty.item() == pytest.approx(9 * weight.square().sum().item() / 2, rel=1e-5)
    penalty.backward()
    torch.testing.assert_close(weight.grad, 9 * weight.detach())


def test_the_divergence_is_that_of_two_normal_distributions():
    codes = torch.randn(6, 3, generator=rng(), dtype=torch.float64) * 2 + 1
    mean, std = codes.mean(0), codes.std(0, correction=0)
    exact = torch.distributions.kl_divergence(torch.distributions.Normal(mean, std), torch.distributions.Normal(0, 1))
    assert style_prior_divergence(codes).item() == pytest.approx(exact.mean().item(), rel=1e-5)


@pytest.mark.parametrize("num", [2, 4])
def test_small_batches_of_standard_normal_codes_have_the_least_divergence(num):
    codes = torch.randn(num, 40_000, generator=rng())
    right = style_prior_divergence(codes)
    for wrong in (codes * 0.85, codes * 1.15, codes + 0.15):
        assert style_prior_divergence(wrong) > right


def test_equal_codes_are_far_from_the_prior_but_not_infinitely():
    value = style_prior_divergence(torch.zeros(4, 2))
    assert math.isfinite(value)
    assert value > 3


def test_mode_seeking_is_the_ratio_of_the_differences():
    first, second = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    styles = torch.zeros(2, 8), torch.full((2, 8), 2.0)
    assert mode_seeking(first, second, *styles).item() == pytest.approx(4, rel=1e-4)
    assert mode_seeking(first, first, *styles).item() == pytest.approx(2e5, rel=1e-3)


def test_mode_seeking_pulls_translations_apart():
    first = torch.zeros(1, 3, 4, 4, requires_grad=True)
    second = torch.full((1, 3, 4, 4), 0.5)
    style = torch.zeros(1, 8, requires_grad=True)
    mode_seeking(first, second, style, torch.ones(1, 8)).backward()
    assert (first.grad > 0).all()  # lowering the loss moves it away from the larger one
    assert style.grad is None


def pictures(seed: int, num: int = 4) -> torch.Tensor:
    return torch.rand(num, 3, 8, 10, generator=rng(seed)) * 2 - 1


def test_the_contrast_distance_is_the_wasserstein_distance_of_differences():
    first, second = pictures(0), pictures(1) / 3
    magnitudes = [
        np.log1p(torch.cat([x.diff(dim=2).flatten(), x.diff(dim=3).flatten()]).abs().double().numpy() / 0.05)
        for x in (first, second)
    ]
    assert contrast_distance(first, second).item() == pytest.approx(wasserstein_distance(*magnitudes), rel=1e-5)


def test_where_things_are_does_not_count():
    x = pictures(0)
    for same in (x.flip(0), x.flip(3), x.flip(2), x.roll(1, dims=1), -x):
        assert contrast_distance(x, same).item() == pytest.approx(0, abs=1e-6)
    assert contrast_distance(x, x / 2) > 0.1


def test_a_shimmer_on_blank_pictures_is_taken_away_and_strong_outlines_are_left():
    real = torch.ones(4, 3, 16, 16)
    real[:, :, 4:12, 4:12] = -1.0
    seen = real + 0.02 * torch.randn(real.shape, generator=rng())
    shimmer = (seen - real).abs().mean()
    for _ in range(20):
        seen = seen.detach().requires_grad_()
        contrast_distance(seen, real).backward()
        seen = seen.detach() - 0.25 * seen.grad
    assert (seen - real).abs().mean() < shimmer * 0.75
    assert (seen[:, :, 3, 5] - seen[:, :, 4, 5]).mean() == pytest.approx(2, abs=0.05), "outlines are left"


def test_contrast_is_reckoned_in_float32():
    x = pictures(0).bfloat16()
    assert contrast_distance(x, pictures(1)).dtype == torch.float32
