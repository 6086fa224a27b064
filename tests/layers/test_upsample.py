"""A convolution after nearest ×2, computed before it, against the plain chain."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, leaky_relu

from unpaired.layers.convs import Conv2d
from unpaired.layers.padding import padded, same
from unpaired.layers.pending import Pending, PendingConv2d
from unpaired.layers.upsample import KERNELS, interleaved, phase_weight

CHANNELS, OUTPUTS = 2, 3
modes = st.sampled_from(["reflect", "replicate", "zero"])
kernels = st.sampled_from(KERNELS)
sides = st.integers(2, 7)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(x: Pending, weight: Tensor, bias: Tensor | None, mode: str) -> Tensor:
    value = x.raw if x.gain is None else x.raw * x.gain + x.shift
    doubled = interpolate(leaky_relu(value, x.slope), scale_factor=2, mode="nearest")
    return conv2d(padded(doubled, same(weight.shape[2] // 2), mode), weight, bias)


def assert_same(found: Tensor, expected: Tensor, inputs: list[Tensor]) -> None:
    """The values, and the gradients of all `inputs` by a drawn gradient."""
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    grad = drawn(*expected.shape, seed=9)
    of_inputs = (torch.autograd.grad(out, inputs, grad) for out in (found, expected))
    for ours, theirs in zip(*of_inputs, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


@given(kernels, modes, st.integers(1, 3), sides, sides, st.booleans(), st.sampled_from([0.0, 0.2, 1.0]))
def test_munits_convolution_is_that_of_the_doubled_map(kernel, mode, num, height, width, with_norm, slope):
    layer = Conv2d(CHANNELS, OUTPUTS, kernel, 1, kernel // 2, pad=mode, upsample=2).double()
    raw = drawn(num, CHANNELS, height, width).requires_grad_()
    norm = [drawn(num, CHANNELS, 1, 1, seed=seed).requires_grad_() for seed in (1, 2)] if with_norm else []
    x = Pending(raw, *norm, slope=slope)
    found = layer(x)
    assert_same(found, plain(x, layer.weight, layer.bias, mode), [raw, *norm, layer.weight, layer.bias])
    with torch.inference_mode():
        assert torch.equal(layer(x), found)


@given(kernels, st.integers(1, 2), sides, sides, st.booleans())
def test_ugatits_convolution_is_that_of_the_doubled_map(kernel, num, height, width, bias):
    layer = PendingConv2d(CHANNELS, OUTPUTS, kernel, padding=same(kernel // 2), upsample=2, bias=bias).double()
    raw, gain, shift = drawn(num, CHANNELS, height, width), drawn(num, CHANNELS, 1, 1, seed=1), drawn(1, CHANNELS, 1, 1)
    x = Pending(*(t.requires_grad_() for t in (raw, gain, shift)), slope=0.0)
    inputs = [raw, gain, shift, *layer.parameters()]
    assert_same(layer(x), plain(x, layer.conv.weight, layer.conv.bias, "reflect"), inputs)


@pytest.mark.parametrize(("kernel", "even_and_odd"), [(3, [[3, 6, 0], [0, 6, 3]]), (5, [[10, 10, 5], [5, 10, 10]])])
def test_weights_that_meet_copies_of_one_pixel_are_added_up(kernel, even_and_odd):
    phases = phase_weight(torch.ones(1, 1, kernel, kernel))
    assert phases.shape == (4, 1, 3, 3)
    assert phases.sum().item() == 4 * kernel**2
    of_even_rows = phases.view(2, 2, 3, 3)[0]
    assert of_even_rows.sum(dim=1).tolist() == even_and_odd


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_phases_and_their_gradient_keep_their_order_of_memory(order):
    phases = drawn(2, 4 * OUTPUTS, 3, 5).contiguous(memory_format=order).requires_grad_()
    out = interleaved(phases)
    by_hand = phases.detach().view(2, 2, 2, OUTPUTS, 3, 5)
    for row in (0, 1):
        for column in (0, 1):
            assert torch.equal(out[:, :, row::2, column::2], by_hand[:, row, column])
    (grad,) = torch.autograd.grad(out, phases, out.detach(), create_graph=True)
    assert torch.equal(grad, phases)
    assert out.is_contiguous(memory_format=order)
    assert grad.is_contiguous(memory_format=order)


def test_interleaving_is_differentiable_twice():
    phases = drawn(1, 4, 2, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(interleaved, phases)
