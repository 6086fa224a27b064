from __future__ import annotations

import pytest
import torch
from torch import nn

from unpaired.layers.wide_linear import WideLinear


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
    assert shared.factors == []


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
