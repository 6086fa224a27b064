"""Operations on maps and gains of two types, against the same in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import leaky_relu

from unpaired.layers import batch_norm, blocks
from unpaired.layers.mixed import affine, affine_gradients, affine_into, is_mixed

BF16_ROUNDING = 2**-8
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@st.composite
def maps(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """A map in bfloat16, a gain and a shift in float32: of each sample or of all, of each channel or of all."""
    num, channels, height, width = draw(SHAPES)
    order = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    x = drawn(num, channels, height, width, dtype=torch.bfloat16).contiguous(memory_format=order)
    gain, shift = (
        drawn(draw(st.sampled_from([1, num])), draw(st.sampled_from([1, channels])), 1, 1, seed=seed) for seed in (1, 2)
    )
    return x, gain, shift


def plain(x: Tensor, gain: Tensor, shift: Tensor, slope: float, plus: Tensor | None) -> Tensor:
    out = leaky_relu(x * gain + shift, slope)
    return out if plus is None else out + plus


@given(
    maps(),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.booleans(),
    st.sampled_from([1, 7, 40, 2**19]),
    st.sampled_from([0, 2**16]),
)
def test_values_and_gradients_are_those_of_the_chain_whatever_the_blocks(tensors, slope, added, numbers, few):
    plus = drawn(*tensors[0].shape, seed=3, dtype=torch.bfloat16) if added and slope == 1.0 else None
    inputs = [*tensors, *([] if plus is None else [plus])]
    ours = [tensor.clone().requires_grad_() for tensor in inputs]
    exact = [tensor.double().requires_grad_() for tensor in inputs]
    expected = plain(*exact[:3], slope, exact[3] if plus is not None else None)
    # without copies, what is between the steps is rounded too
    without_copies = few == 0 and tensors[0].is_contiguous(memory_format=torch.channels_last)
    between = (
        plain(*exact[:3], 1.0, None).detach().abs() if without_copies and (slope == 0.2 or plus is not None) else 0
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK_NUMBERS", numbers)
        patch.setattr(batch_norm, "_FEW_NUMBERS", few)
        found = affine(*ours[:3], slope=slope, plus=ours[3] if plus is not None else None)
        assert found.dtype == torch.bfloat16
        allowed = BF16_ROUNDING * (expected.detach().abs() + 1.01 * between) + 1e-6
        assert ((found.double() - expected).abs() <= allowed).all()
        grad = drawn(*expected.shape, seed=4, dtype=torch.bfloat16)
        gradients = torch.autograd.grad(found, ours, grad)
    through = torch.where(found > 0, grad.double(), grad.double() * slope)  # what is rounded to 0 counts as below it
    if without_copies and slope == 0.2:
        through = through.bfloat16().double()
    before = plain(*exact[:3], 1.0, exact[3] if plus is not None else None)
    for mine, theirs, like in zip(gradients, torch.autograd.grad(before, exact, through), ours, strict=True):
        assert (mine.dtype, mine.shape) == (like.dtype, like.shape)
        torch.testing.assert_close(mine.double(), theirs, atol=1e-5, rtol=BF16_ROUNDING)


@pytest.mark.parametrize("slope", [0.2, 1.0])
def test_it_is_differentiable_twice(slope):
    tensors = drawn(2, 3, 4, 4), drawn(2, 3, 1, 1, seed=1), drawn(1, 3, 1, 1, seed=2)
    found = []
    for function in (lambda x, gain, shift: affine(x, gain, shift, slope=slope), lambda *t: plain(*t, slope, None)):
        inputs = [tensor.clone().requires_grad_() for tensor in tensors]
        (grad,) = torch.autograd.grad(function(*inputs).square().sum(), inputs[0], create_graph=True)
        found.append(torch.autograd.grad(grad.square().sum(), inputs))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.fixture(params=[0, 2**16], ids=["without copies", "in blocks"])
def each_way(request, monkeypatch):
    """Maps count as large, or as small."""
    monkeypatch.setattr(batch_norm, "_FEW_NUMBERS", request.param)


@pytest.mark.usefixtures("each_way")
def test_it_writes_where_it_is_told_and_nowhere_else():
    whole = torch.full((1, 2, 5, 5), 7.0, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    inner = whole[:, :, 1:-1, 1:-1]
    x = drawn(1, 2, 3, 3, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    assert affine_into(inner, x, torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)) is inner
    assert torch.equal(inner, x)
    inner.fill_(7.0)
    assert torch.equal(whole, torch.full_like(whole, 7.0))


@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_gradients_that_are_wanted_are_made(wanted):
    x = drawn(1, 2, 3, 3, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    gain, shift = torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    found = affine_gradients(x, x, gain, shift, wanted)
    assert tuple(gradient is not None for gradient in found) == wanted


@pytest.mark.usefixtures("each_way")
def test_sums_are_exact_where_bfloat16_would_stand_still():
    """256 + 1 is 256 in bfloat16."""
    ones = torch.ones(1, 1, 64, 64, dtype=torch.bfloat16)
    _, of_gain, of_shift = affine_gradients(
        ones, ones, torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), (False, True, True)
    )
    assert of_gain is not None
    assert of_shift is not None
    assert (of_gain.item(), of_shift.item()) == (4096, 4096)


def test_equal_types_and_other_devices_are_left_to_torch():
    gain = torch.ones(1, 2, 1, 1)
    half = torch.zeros(1, 2, 3, 3, dtype=torch.bfloat16)
    assert is_mixed(gain, half)
    assert is_mixed(gain, half.float(), half)
    assert not is_mixed(gain, half.float())
    assert not is_mixed(gain.to("meta"), half.to("meta"))
