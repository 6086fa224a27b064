"""Spectral norm without normalized weights, against torch's own layer over several steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import pad

from unpaired.layers.pending import Pending
from unpaired.layers.spectral import SpectralConv2d, SpectralNorm


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last])
def pair(request):
    """Our convolution and torch's with the same weight, bias and singular vectors, both training."""
    torch.manual_seed(0)
    ours = SpectralConv2d(3, 5, 4, stride=2, padding=(1, 1, 1, 1)).to(memory_format=request.param)
    plain = nn.Conv2d(3, 5, 4, 2)
    plain.load_state_dict(ours.conv.conv.state_dict())
    theirs = nn.utils.spectral_norm(plain)
    theirs.weight_u.copy_(ours.sigma.u)
    theirs.weight_v.copy_(ours.sigma.v)
    return ours, theirs


def outputs(pair, x):
    ours, theirs = pair
    return ours(Pending(x)).value(), theirs(pad(x, (1, 1, 1, 1), mode="reflect"))


@pytest.mark.filterwarnings("ignore:.*spectral_norm:FutureWarning")
def test_values_and_gradients_over_several_updates(pair):
    ours, theirs = pair
    for step in range(5):
        x = torch.randn(2, 3, 8, 8)
        found, expected = outputs(pair, x)
        assert torch.allclose(found, expected, atol=1e-5), step
        weights = torch.randn_like(expected)
        for out, layer in ((found, ours), (expected, theirs)):
            layer.zero_grad()
            (out * weights).sum().backward()
        assert torch.allclose(ours.conv.conv.weight.grad, theirs.weight_orig.grad, atol=1e-4)
        assert torch.allclose(ours.conv.conv.bias.grad, theirs.bias.grad, atol=1e-4)
        assert torch.allclose(ours.sigma.u, theirs.weight_u, atol=1e-5)
        assert torch.allclose(ours.sigma.v, theirs.weight_v, atol=1e-5)
        with torch.no_grad():
            for parameter in (*ours.parameters(), *theirs.parameters()):
                parameter -= 0.01 * parameter.grad


@pytest.mark.filterwarnings("ignore:.*spectral_norm:FutureWarning")
def test_evaluation_leaves_the_singular_vectors_alone(pair):
    for layer in pair:
        layer.eval()
    before = pair[0].sigma.u.clone()
    found, expected = outputs(pair, torch.randn(1, 3, 8, 8))
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(pair[0].sigma.u, before)


def test_power_iterations_find_the_largest_singular_value():
    torch.manual_seed(1)
    weight = torch.randn(6, 2, 3, 3)
    sigma = SpectralNorm(weight)
    for _ in range(200):
        _, found = sigma(weight)
    assert found.item() == pytest.approx(torch.linalg.matrix_norm(weight.flatten(1), ord=2).item(), rel=1e-5)


def test_a_second_forward_before_the_backward_of_the_first():
    torch.manual_seed(0)
    layer = SpectralConv2d(2, 2, 3, padding=(1, 1, 1, 1))
    first = layer(Pending(torch.randn(1, 2, 6, 6))).value().sum()
    layer(Pending(torch.randn(1, 2, 6, 6)))
    first.backward()
    assert layer.conv.conv.weight.grad.isfinite().all()


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_gradients_are_those_of_finite_differences(order):
    torch.manual_seed(0)
    layer = SpectralConv2d(2, 3, 3, padding=(1, 1, 1, 1)).double().to(memory_format=order).eval()

    def output(x, weight):
        return torch.func.functional_call(layer, {"conv.conv.weight": weight}, Pending(x)).value().sin()

    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64).contiguous(memory_format=order).requires_grad_()
    assert torch.autograd.gradcheck(output, (x, weight))
    assert torch.autograd.gradgradcheck(output, (x, weight))


def test_the_gradient_is_one_tensor_in_the_weights_order_of_memory():
    torch.manual_seed(0)
    layer = SpectralConv2d(3, 4, 4, padding=(1, 1, 1, 1)).to(memory_format=torch.channels_last)
    layer(Pending(torch.randn(1, 3, 5, 5))).value().square().sum().backward()
    weight = layer.conv.conv.weight
    assert weight.grad.stride() == weight.stride()
