"""Convolutions of pending maps, against the plain chain norm → activation → up-sampling → padding → convolution."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d, interpolate, leaky_relu, pad

from unpaired.layers.padding import padded
from unpaired.layers.pending import ConvShape, Pending, PendingConv2d, convolved


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(pending: Pending, layer: PendingConv2d) -> torch.Tensor:
    x = pending.raw
    if pending.gain is not None:
        x = x * pending.gain + pending.shift
    x = leaky_relu(x, pending.slope)
    x = interpolate(x, scale_factor=layer.shape.upsample, mode="nearest")
    x = pad(x, layer.shape.padding, mode="reflect")
    return conv2d(x, layer.conv.weight, layer.conv.bias, layer.shape.stride)


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "upsample", "bias"),
    [(3, 1, (1, 1, 1, 1), 1, False), (3, 2, (1, 1, 1, 1), 1, True), (4, 1, (1, 2, 1, 2), 1, True),
     (3, 1, (1, 1, 1, 1), 2, False), (1, 1, (0, 0, 0, 0), 1, True)],
)  # fmt: skip
@pytest.mark.parametrize("with_gain", [True, False])
def test_values_and_gradients_are_those_of_the_plain_chain(slope, kernel, stride, padding, upsample, bias, with_gain):
    layer = PendingConv2d(3, 4, kernel, stride=stride, padding=padding, upsample=upsample, bias=bias).double()
    raw = drawn(2, 3, 6, 8).requires_grad_()
    gain, shift = drawn(2, 3, 1, 1, seed=1).requires_grad_(), drawn(1, 3, 1, 1, seed=2).requires_grad_()
    pending = Pending(raw, gain, shift, slope) if with_gain else Pending(raw, slope=slope)
    inputs = [raw, *([gain, shift] if with_gain else []), *layer.parameters()]
    found, expected = layer(pending), plain(pending, layer)
    weights = drawn(*expected.shape, seed=3)
    assert torch.allclose(found, expected, atol=1e-12)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-10)
    with torch.no_grad():
        assert torch.equal(layer(pending), found)


def penalty_gradients(out: torch.Tensor, raw: torch.Tensor, others: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Of the squared gradient by `raw` of what `out` scores, as R1 has it, by `raw` and `others`."""
    (grad,) = torch.autograd.grad(out.square().sum(), raw, create_graph=True)
    return torch.autograd.grad(grad.square().sum(), [raw, *others])


@pytest.mark.parametrize("mode", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize(("kernel", "stride", "upsample"), [(4, 2, 1), (3, 1, 1), (3, 1, 2), (5, 1, 2)])
@pytest.mark.parametrize("slope", [0.2, 1.0])
@pytest.mark.parametrize("with_gain", [True, False])
def test_gradients_of_gradients_are_those_of_the_plain_chain(mode, kernel, stride, upsample, slope, with_gain):
    shape = ConvShape((2, 1, 1, 2) if kernel == 4 else (kernel // 2,) * 4, mode, stride, upsample)
    raw, weight, bias = (drawn(*size).requires_grad_() for size in ((2, 3, 5, 6), (4, 3, kernel, kernel), (4,)))
    norm = [drawn(2, 3, 1, 1, seed=seed).requires_grad_() for seed in (1, 2)] if with_gain else []
    x = Pending(raw, *norm, slope=slope)
    value = leaky_relu(raw * norm[0] + norm[1] if norm else raw, slope)
    whole = padded(interpolate(value, scale_factor=upsample, mode="nearest"), shape.padding, mode)
    outs = convolved(x, weight, bias, shape), conv2d(whole, weight, bias, stride)
    ours, theirs = (penalty_gradients(out, raw, [*norm, weight, bias]) for out in outs)
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def test_one_map_is_kept():
    layer = PendingConv2d(4, 4, 3, padding=(1, 1, 1, 1))
    raw, gain = torch.randn(1, 4, 32, 32, requires_grad=True), torch.ones(1, 4, 1, 1)
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        layer(Pending(raw, gain, gain, 0.0)).sum()
    weights = layer.conv.weight.untyped_storage().nbytes()
    assert sum(kept.values()) == raw.untyped_storage().nbytes() + weights + gain.untyped_storage().nbytes()


def test_frozen_weights_and_constant_inputs_get_no_gradient():
    layer = PendingConv2d(2, 2, 3, padding=(1, 1, 1, 1)).requires_grad_(False)
    raw = torch.randn(1, 2, 6, 6, requires_grad=True)
    layer(Pending(raw, torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1), 0.0)).sum().backward()
    assert raw.grad is not None
    assert layer.conv.weight.grad is None


def test_autocast_computes_the_convolution_alone_in_half_precision():
    layer = PendingConv2d(2, 3, 3, padding=(1, 1, 1, 1))
    raw = torch.randn(1, 2, 8, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(Pending(raw, torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1), 0.0))
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert layer.conv.weight.grad.dtype == raw.grad.dtype == torch.float32


@pytest.mark.parametrize(("side", "stays"), [(8, True), (16, False)])
def test_a_weight_that_meets_few_pixels_is_used_as_it_is_under_autocast(side, stays):
    """So it is not rounded, which for 5² pixels would take longer than the product itself."""
    layer = PendingConv2d(64, 1024, 4, padding=(0, 0, 0, 0)).requires_grad_(False)
    raw = drawn(1, 64, side, side).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(Pending(raw))
    exact = conv2d(raw, layer.conv.weight)
    assert out.dtype == torch.bfloat16
    assert torch.allclose(out.float(), exact, atol=0.02)
    grad, expected = (torch.autograd.grad(y.float().square().sum(), raw)[0] for y in (out, exact))
    assert bool((grad - expected).norm() < 0.002 * expected.norm()) is stays


def test_the_sum_of_a_residual_block():
    x, raw, gain, shift = drawn(1, 2, 4, 4), drawn(1, 2, 4, 4, seed=1), drawn(1, 2, 1, 1), drawn(1, 2, 1, 1, seed=2)
    assert torch.allclose(Pending(raw, gain, shift).added_to(x), x + raw * gain + shift)
    assert torch.equal(Pending(raw).added_to(x), x + raw)
