import math

import numpy as np
import pytest
import torch

from unpaired.errors import UsageError
from unpaired.metrics.style_prior import style_estimates, style_statistics


def test_codes_from_the_prior_have_almost_no_divergence():
    codes = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    found = style_statistics(codes)
    assert found.total_kl < 0.002
    assert found.num_codes == 20_000


def test_the_divergence_is_that_of_torchs_normal_distributions():
    codes = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)).double() * torch.tensor([0.1, 1, 3]) + 2
    found = style_statistics(codes)
    normal = torch.distributions.Normal(codes.mean(0), codes.std(0))
    exact = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(found.kl, exact.double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.mean, codes.mean(0))
    torch.testing.assert_close(found.std, codes.std(0))


def test_a_dimension_that_never_changes_is_far_away_but_still_a_number():
    found = style_statistics(torch.zeros(3, 1))
    assert found.std.item() == 0
    assert 10 < found.total_kl < 20


@pytest.mark.parametrize("num_codes", [2, 5, 60])
def test_what_few_codes_of_the_prior_give_by_chance(num_codes):
    drawn = np.random.default_rng(0).standard_normal((20_000, num_codes))
    variance = drawn.var(axis=1, ddof=1)
    kl = (drawn.mean(axis=1) ** 2 + variance - 1 - np.log(variance)) / 2
    by_chance = style_statistics(torch.zeros(num_codes, 2)).total_kl_by_chance
    assert by_chance == pytest.approx(2 * kl.mean(), rel=0.05)


def test_one_code_has_no_spread():
    with pytest.raises(UsageError, match="1, 4"):
        style_statistics(torch.zeros(1, 4))


def test_codes_with_nan_are_refused():
    with pytest.raises(UsageError, match="not finite"):
        style_statistics(torch.full((3, 4), math.nan))


def test_estimates_are_the_means_over_dimensions():
    codes = torch.randn(40, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([0.2, 1, 2]) - 1
    statistics, found = style_statistics(codes), style_estimates(codes, seed=0)
    assert found.shift.value == pytest.approx(statistics.mean.abs().mean().item())
    assert found.std.value == pytest.approx(statistics.std.mean().item())
    assert found.kl.value == pytest.approx(statistics.kl.mean().item())
    for estimate in (found.shift, found.std, found.kl):
        assert estimate.low < estimate.value < estimate.high


def test_intervals_are_those_of_new_pictures():
    """Of a mean of N codes with deviation s, 95 % lie within 1.96 s / √N; of a deviation, within 1.96 s / √(2N)."""
    codes = torch.randn(400, 1, generator=torch.Generator().manual_seed(3)) * 0.5 + 3
    found = style_estimates(codes, seed=0)
    assert (found.shift.high - found.shift.low) / 2 == pytest.approx(1.96 * 0.5 / 400**0.5, rel=0.1)
    assert (found.std.high - found.std.low) / 2 == pytest.approx(1.96 * 0.5 / 800**0.5, rel=0.15)


def test_two_codes_and_codes_that_never_change_have_estimates():
    for codes in (torch.tensor([[0.0], [1.0]]), torch.zeros(5, 2)):
        found = style_estimates(codes, seed=0)
        assert all(math.isfinite(x) for e in (found.shift, found.std, found.kl) for x in (e.value, e.low, e.high))
