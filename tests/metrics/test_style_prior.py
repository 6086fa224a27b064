import math

import pytest
import torch

from unpaired.errors import UserError
from unpaired.metrics.style_prior import style_statistics


def test_codes_from_the_prior_have_almost_no_divergence():
    codes = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    found = style_statistics(codes)
    assert found.total_divergence < 0.002
    assert found.num_codes == 20_000


def test_the_divergence_is_that_of_torchs_normal_distributions():
    codes = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)).double() * torch.tensor([0.1, 1, 3]) + 2
    found = style_statistics(codes)
    normal = torch.distributions.Normal(codes.mean(0), codes.std(0))
    exact = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(found.divergence, exact.double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.mean, codes.mean(0))
    torch.testing.assert_close(found.std, codes.std(0))


def test_a_dimension_that_never_changes_is_infinitely_far():
    assert math.isinf(style_statistics(torch.zeros(3, 1)).total_divergence)


def test_one_code_has_no_spread():
    with pytest.raises(UserError, match="two pictures"):
        style_statistics(torch.zeros(1, 4))
