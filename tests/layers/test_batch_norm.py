"""Torch's batch norm as sums over pixels and as gains and shifts, against the same in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unpaired.layers.batch_norm import affine_gradients, affine_into, moments, suits

TYPES = (torch.float32, torch.bfloat16)
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 2**-8}


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """In channels-last order."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return x.contiguous(memory_format=torch.channels_last)


SIDES = st.sampled_from([1, 2, 3, 7, 12, 16, 17, 24, 31])
TYPE = st.sampled_from(TYPES)


@given(st.integers(1, 3), st.integers(1, 5), SIDES, SIDES, TYPE)
def test_moments_are_those_of_each_channel_of_each_map(num, channels, height, width, dtype):
    x = drawn(num, channels, height, width, dtype=dtype)
    mean, variance = moments(x)
    assert (mean.dtype, mean.shape) == (variance.dtype, variance.shape) == (torch.float32, (num, channels))
    torch.testing.assert_close(mean.double(), x.double().mean(dim=(2, 3)), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(variance.double(), x.double().var(dim=(2, 3), unbiased=False), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(256, 256), (255, 255), (251, 251)], ids=["powers of two", "odd", "prime"])
@pytest.mark.parametrize("dtype", TYPES)
def test_sums_over_many_pixels_keep_their_digits(size, dtype):
    """One after the other they lose the fifth."""
    x = (drawn(1, 2, *size) + 3).to(dtype)
    mean, variance = moments(x)
    assert torch.allclose(mean.double(), x.double().mean(dim=(2, 3)), rtol=1e-6, atol=0)
    assert torch.allclose(variance.double(), x.double().var(dim=(2, 3), unbiased=False), rtol=1e-6, atol=0)


@given(st.integers(1, 5), SIDES, SIDES, TYPE)
def test_affine_maps_and_their_gradients(channels, height, width, dtype):
    x, grad = (drawn(1, channels, height, width, seed=seed, dtype=dtype) for seed in (0, 1))
    gain, shift = (drawn(1, channels, 1, 1, seed=seed).flatten() for seed in (2, 3))
    exact = [tensor.double().requires_grad_() for tensor in (x, gain, shift)]
    expected = exact[0] * exact[1][:, None, None] + exact[2][:, None, None]
    out = torch.empty_like(x)
    affine_into(out, x, gain, shift)
    torch.testing.assert_close(out.double(), expected.detach(), rtol=ROUNDING[dtype], atol=1e-6)
    found = affine_gradients(grad, x, gain, (True, True, True))
    theirs = torch.autograd.grad(expected, exact, grad.double())
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found[0].double(), theirs[0], rtol=ROUNDING[dtype], atol=1e-6)
    for ours, wanted in zip(found[1:], theirs[1:], strict=True):
        assert ours.shape == wanted.shape
        torch.testing.assert_close(ours.double(), wanted, rtol=1e-6, atol=2e-5)  # sums of up to 961 numbers


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_gradients_that_are_wanted_are_made(wanted):
    x = drawn(1, 2, 4, 4)
    found = affine_gradients(x, x, torch.ones(2), wanted)
    assert tuple(gradient is not None for gradient in found) == wanted


def test_what_is_not_finite_stays_so():
    x = drawn(1, 2, 32, 32)
    x[0, 0, 5, 5] = torch.nan
    mean, variance = moments(x)
    assert mean.isnan().tolist() == variance.isnan().tolist() == [[True, False]]


def test_it_is_for_large_maps_in_channels_last_order_on_a_cpu():
    large = drawn(1, 64, 32, 32)
    assert suits(large)
    assert not suits(large[:, :, :16])
    assert not suits(large.contiguous())
    assert not suits(large.to("meta"))
