import math

import pytest
import torch

from unpaired.losses.regularization import gradient_penalty, mode_seeking, style_prior_divergence


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
