"""Attention by class activation maps, against the plain way with both attended copies."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d, conv2d, linear

from unpaired.layers.cam import CamAttention


def plain(attention: CamAttention, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    copies, logits = [], []
    for pool, classifier in (
        (adaptive_avg_pool2d, attention.average),
        (adaptive_max_pool2d, attention.maximum or attention.average),
    ):
        fc, sigma = classifier.fc, classifier.sigma
        weight = fc.weight if sigma is None else fc.weight / torch.dot(sigma.u, fc.weight @ sigma.v)
        logits.append(linear(pool(x, 1).flatten(1), weight, fc.bias))
        seen = fc.weight if classifier.raw_attention else weight
        seen = seen if fc.bias is None else seen + fc.bias
        copies.append(x * seen.view(1, -1, 1, 1))
    return conv2d(torch.cat(copies, dim=1), attention.mix.weight, attention.mix.bias), torch.cat(logits, dim=1)


OPTIONS = (
    {},
    {"shared": True},
    {"spectral": True},
    {"spectral": True, "raw_attention": True},
    {"shared": True, "spectral": True},
)


@pytest.mark.parametrize("size", [(5, 4), (1, 2)])  # more pixels than channels, and fewer
@pytest.mark.parametrize("options", OPTIONS)
def test_values_and_gradients_are_those_of_the_plain_way(options, size):
    torch.manual_seed(0)
    attention = CamAttention(6, **options).double().eval()
    x = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    inputs = [x, *attention.parameters()]
    found, expected = attention(x), plain(attention, x)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)
    totals = [features.sin().sum() + logits.square().sum() for features, logits in (found, expected)]
    for ours, theirs in zip(*(torch.autograd.grad(total, inputs) for total in totals), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_one_step_of_the_power_iteration_a_forward_also_when_a_classifier_is_shared():
    torch.manual_seed(0)
    attention = CamAttention(4, shared=True, spectral=True)
    before = attention.average.sigma.v.clone()
    attention(torch.randn(1, 4, 3, 3))
    once = attention.average.sigma.v.clone()
    assert not torch.equal(once, before)
    sign = torch.sign(attention.average.sigma.u)  # of a single row: found by the first step
    assert torch.allclose(once, sign * attention.average.fc.weight[0] / attention.average.fc.weight.norm(), atol=1e-6)
