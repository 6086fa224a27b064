"""Norms as gains and shifts, against the formulas written out and against torch's own layers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from unpaired.layers.adalin import FoldedNorm, Moments, channel_moments

EPS = 1e-5


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blended(x, rho, gamma, beta, *, unbiased):
    """Equation 1 of the paper, in the plain way."""
    instance_mean, layer_mean = x.mean(dim=(2, 3), keepdim=True), x.mean(dim=(1, 2, 3), keepdim=True)
    instance_var = x.var(dim=(2, 3), keepdim=True, unbiased=unbiased)
    layer_var = x.var(dim=(1, 2, 3), keepdim=True, unbiased=unbiased)
    instance = (x - instance_mean) / torch.sqrt(instance_var + EPS)
    layer = (x - layer_mean) / torch.sqrt(layer_var + EPS)
    rho = rho.view(1, -1, 1, 1)
    return (rho * instance + (1 - rho) * layer) * gamma[:, :, None, None] + beta[:, :, None, None]


def gradients(out, *inputs):
    weights = drawn(*out.shape, seed=9).to(out.dtype)
    return torch.autograd.grad((out * weights).sum(), inputs)


@pytest.mark.parametrize("variance", ["biased", "unbiased"])
def test_adalin_and_its_gradients_are_those_of_the_formula(variance):
    x = (drawn(2, 6, 5, 7) * drawn(1, 6, 1, 1, seed=1) + 3 * drawn(1, 6, 1, 1, seed=2)).requires_grad_()
    gamma, beta = drawn(2, 6, seed=3).requires_grad_(), drawn(2, 6, seed=4).requires_grad_()
    norm = FoldedNorm(6, "blend", affine=False, rho_init=0.9, variance=variance).double()
    norm.rho.data = torch.linspace(0, 1, 6, dtype=torch.float64)
    found = norm(x, (gamma, beta)).value()
    expected = blended(x, norm.rho, gamma, beta, unbiased=variance == "unbiased")
    assert torch.allclose(found, expected, atol=1e-10)
    for ours, theirs in zip(
        gradients(found, x, gamma, beta, norm.rho), gradients(expected, x, gamma, beta, norm.rho), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-9)


def test_the_two_variances_differ():
    x = drawn(1, 4, 3, 3)
    biased, unbiased = (
        FoldedNorm(4, "blend", affine=True, variance=v).double()(x).value() for v in ("biased", "unbiased")
    )
    assert torch.allclose(biased / unbiased, torch.tensor(math.sqrt(36 / 35), dtype=torch.float64), rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("instance", nn.InstanceNorm2d(8, affine=True)),
        ("group", nn.GroupNorm(8, 8)),
        ("layer", nn.GroupNorm(1, 8)),
    ],
)
def test_the_other_norms_are_torchs(kind, reference):
    x = drawn(2, 8, 6, 4) + 2 * drawn(1, 8, 1, 1, seed=1)
    norm, reference = FoldedNorm(8, kind, affine=True).double(), reference.double()
    norm.gamma.data, norm.beta.data = drawn(8, seed=5), drawn(8, seed=6)
    reference.weight.data, reference.bias.data = norm.gamma.data, norm.beta.data
    assert torch.allclose(norm(x).value(), reference(x), atol=1e-10)


def test_groups_have_32_channels_in_the_paper_and_fewer_here_when_they_must():
    assert FoldedNorm(256, "group", affine=True).num_groups == 32
    assert FoldedNorm(12, "group", affine=True).num_groups == 4


def test_a_lin_starts_as_layer_norm_and_an_adalin_mostly_as_instance_norm():
    assert FoldedNorm(4, "blend", affine=True).rho.tolist() == [0.0] * 4
    assert FoldedNorm(4, "blend", affine=False, rho_init=0.9).rho.tolist() == pytest.approx([0.9] * 4)


def test_rho_is_brought_back_into_its_range():
    norm = FoldedNorm(4, "blend", affine=False, rho_init=0.5, rho_max=0.9)
    with torch.no_grad():
        norm.rho.copy_(torch.tensor([-0.2, 0.3, 0.95, 1.7]))
        norm.clip_rho()
    assert norm.rho.tolist() == pytest.approx([0.0, 0.3, 0.9, 0.9])


def test_moments_of_a_large_mean_keep_their_digits():
    """A thousand standard deviations from zero, where the mean of squares minus the squared mean fails in float32."""
    x = drawn(1, 3, 64, 64).float() + 1000
    mean, variance = channel_moments(x)
    expected = torch.var_mean(x.double(), dim=(2, 3), correction=0)
    assert torch.allclose(mean.double(), expected[1], rtol=1e-6)
    assert torch.allclose(variance.double(), expected[0], rtol=1e-3)


def test_statistics_are_float32_under_bfloat16():
    x = (drawn(1, 4, 16, 16) * 0.1 + 8).bfloat16()
    moments = Moments.of(x)
    assert moments.mean.dtype == moments.variance.dtype == torch.float32
    assert torch.allclose(moments.variance.double(), x.double().var(dim=(2, 3), unbiased=False), rtol=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        assert FoldedNorm(4, "instance", affine=True)(x).value().dtype == torch.bfloat16


def test_a_constant_map_has_finite_gradients():
    x = torch.full((1, 2, 4, 4), 0.5, requires_grad=True)
    FoldedNorm(2, "blend", affine=True)(x).value().square().sum().backward()
    assert x.grad.isfinite().all()
