from __future__ import annotations

import pytest
import torch
from torch import nn

from unpaired.layers.thin import ThinGradient, thin_gradients
from unpaired.layers.wide_linear import SharedWeight, WideLinear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("is_shared", [True, False])
def test_it_is_torchs_linear_layer_also_when_used_twice(bias, is_shared):
    torch.manual_seed(0)
    ours, theirs = WideLinear(6, 3, bias=bias), nn.Linear(6, 3, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6)
    shared = ours.shared() if is_shared else None
    for use in (lambda x: ours(x, shared), theirs):
        first = use(x)
        use(torch.cat([first, first], dim=1)).square().sum().backward()
    assert torch.allclose(ours.weight.grad, theirs.weight.grad, atol=1e-6)
    if bias:
        assert torch.allclose(ours.bias.grad, theirs.bias.grad, atol=1e-6)


def test_half_precision_is_left_to_autocast():
    layer = WideLinear(6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(torch.randn(2, 6))
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32


def test_a_shared_weight_gets_one_gradient_of_all_uses():
    layer = WideLinear(6, 3)
    shared, seen = layer.shared(), []
    layer.weight.register_hook(lambda gradient: seen.append(gradient.clone()))
    x = torch.randn(2, 6)
    (layer(x, shared).sum() + 2 * layer(x, shared).sum()).backward()
    assert len(seen) == 1
    assert torch.allclose(seen[0], 3 * x.sum(dim=0).expand(3, -1), atol=1e-5)


def test_gradients_of_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    layer = WideLinear(6, 3).double()
    weight = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)

    def used_twice(x, weight):
        shared = SharedWeight(weight)
        return (layer(x, shared) * layer(x.flip(1), shared)).sin()

    assert torch.autograd.gradcheck(used_twice, (x, weight))
    assert torch.autograd.gradgradcheck(used_twice, (x, weight))


def test_a_penalty_on_gradients_reaches_the_weight_beside_what_uses_leave():
    torch.manual_seed(0)
    ours, theirs = WideLinear(6, 3), nn.Linear(6, 3)
    theirs.load_state_dict(ours.state_dict())
    for layer in (ours, theirs):
        x = torch.linspace(-1, 1, 12).view(2, 6).requires_grad_()
        out = layer(x).sin()
        (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        (out.sum() + slope.square().sum()).backward()
    assert torch.allclose(ours.weight.grad, theirs.weight.grad, atol=1e-5)


def test_a_wide_weight_hands_over_the_gradient_of_all_uses_as_it_is():
    torch.manual_seed(0)
    layer = WideLinear(100, 50, bias=False)
    x = torch.randn(2, 100)
    found: dict[torch.Tensor, ThinGradient] = {}
    with thin_gradients(found):
        shared = layer.shared()
        (layer(x, shared).sum() + 2 * layer(x, shared).sum()).backward()
    assert layer.weight.grad is None
    assert torch.allclose(found[layer.weight].dense(layer.weight), 3 * x.sum(dim=0).expand(50, -1), atol=1e-4)


def test_frozen_weights_and_unused_ones_get_no_gradient():
    layer = WideLinear(6, 3).requires_grad_(False)
    x = torch.randn(2, 6, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert torch.allclose(x.grad, layer.weight.sum(dim=0).expand(2, -1))
    unused = WideLinear(6, 3)
    unused.shared()
    (unused.bias.sum() + x.sum()).backward()
    assert unused.weight.grad is None
