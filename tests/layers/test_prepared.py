"""What a convolution reads, made in place, against torch's own chain of operations."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unpaired.layers.padding import Padding, PaddingMode
from unpaired.layers.prepared import Preparation

WANTED = [(True, True, True), (True, False, False), (False, True, True), (False, False, True)]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def preparations(draw: st.DrawFn) -> Preparation:
    num, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    order = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    raw = drawn(num, channels, draw(st.integers(4, 7)), draw(st.integers(4, 7))).to(memory_format=order)
    rows = draw(st.sampled_from([1, num]))  # a gain of all samples, or one of each
    norm = [drawn(rows, channels, 1, 1, seed=1).requires_grad_(), drawn(1, channels, 1, 1, seed=2).requires_grad_()]
    gain, shift = norm if draw(st.booleans()) else [None, None]
    padding: Padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    mode: PaddingMode = draw(st.sampled_from(["reflect", "replicate", "zero"]))
    return Preparation(raw.requires_grad_(), gain, shift, draw(st.sampled_from([0.0, 0.2, 1.0])), padding, mode)


@given(preparations(), st.sampled_from(WANTED))
def test_in_place_values_and_the_wanted_gradients_are_those_of_the_chain(preparation, wanted):
    inputs = preparation.raw, preparation.gain, preparation.shift
    expected, found = preparation.whole(torch.float64), preparation.in_place(torch.float64)
    torch.testing.assert_close(found, expected.detach(), atol=1e-12, rtol=0)
    assert found.is_contiguous(memory_format=torch.channels_last)
    grad = drawn(*expected.shape, seed=3)
    there = [tensor for tensor in inputs if tensor is not None]
    of_inputs = iter(torch.autograd.grad(expected, there, grad))
    gradients = preparation.gradients(grad.clone(), found, wanted)
    for ours, tensor, want in zip(gradients, inputs, wanted, strict=True):
        theirs = None if tensor is None else next(of_inputs)
        assert (ours is not None) is (want and theirs is not None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@given(preparations())
def test_the_gradient_that_was_used_up_holds_no_memory_behind_an_activation(preparation):
    whole = preparation.in_place(torch.float64)
    grad = drawn(*whole.shape, seed=3)
    preparation.gradients(grad, whole, WANTED[0])
    assert (grad.untyped_storage().nbytes() == 0) is (preparation.slope != 1.0)


@given(preparations())
def test_the_raw_map_stays_as_it_is(preparation):
    before = preparation.raw.detach().clone()
    preparation.gradients(
        drawn(*preparation.whole(torch.float64).shape), preparation.in_place(torch.float64), WANTED[0]
    )
    assert torch.equal(preparation.raw, before)


def test_half_precision_is_what_the_convolution_asks_for():
    raw, gain, shift = torch.randn(1, 2, 4, 4), torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    preparation = Preparation(raw, gain, shift, 0.0, (1, 1, 1, 1), "reflect")
    whole = preparation.in_place(torch.bfloat16)
    assert whole.dtype == torch.bfloat16
    assert torch.equal(whole, preparation.whole(torch.bfloat16))
    assert [g.dtype for g in preparation.gradients(whole.clone(), whole, WANTED[0])] == [torch.float32] * 3
