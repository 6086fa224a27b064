from __future__ import annotations

import pytest
import torch
from torch import nn

from unpaired.layers.wide_linear import WideLinear


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_torchs_linear_layer_also_when_used_twice(bias):
    torch.manual_seed(0)
    ours, theirs = WideLinear(6, 3, bias=bias), nn.Linear(6, 3, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6)
    for layer in (ours, theirs):
        first = layer(x)
        layer(torch.cat([first, first], dim=1)).square().sum().backward()
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
