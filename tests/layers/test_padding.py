"""Padding by a copy is torch's; in place it gives the same, and back its gradient."""

from typing import get_args

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn.functional import pad

from unpaired.layers.padding import PaddingMode, fill_border, fold_border, inside, padded, same

MODES = get_args(PaddingMode)
paddings = st.tuples(*[st.integers(0, 3)] * 4)
sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fits(size: tuple[int, int], padding: tuple[int, ...], mode: str) -> bool:
    return mode != "reflect" or (max(padding[:2]) < size[1] and max(padding[2:]) < size[0])


def test_same_is_on_all_sides():
    assert same(2) == (2, 2, 2, 2)


@pytest.mark.parametrize(("mode", "torchs"), [("reflect", "reflect"), ("replicate", "replicate"), ("zero", "constant")])
def test_left_right_top_bottom_in_the_mode_asked_for(mode, torchs):
    x = drawn(2, 3, 5, 6)
    assert torch.equal(padded(x, (1, 2, 3, 4), mode), pad(x, (1, 2, 3, 4), mode=torchs))
    assert padded(x, same(0), mode) is x


@given(st.sampled_from(MODES), paddings, sizes, st.sampled_from([torch.contiguous_format, torch.channels_last]))
def test_a_border_filled_in_place_is_that_of_a_padded_copy(mode, padding, size, order):
    x = drawn(2, 3, *size)
    left, right, top, bottom = padding
    shape = 2, 3, size[0] + top + bottom, size[1] + left + right
    whole = torch.full(shape, torch.nan, dtype=x.dtype).to(memory_format=order)
    inside(whole, padding).copy_(x)
    if not fits(size, padding, mode):
        with pytest.raises(ValueError, match="cannot be reflected"):
            fill_border(whole, padding, mode)
        return
    fill_border(whole, padding, mode)
    assert torch.equal(whole, padded(x, padding, mode))


@given(st.sampled_from(MODES), paddings, sizes)
def test_folding_gives_the_gradient_of_padding(mode, padding, size):
    assume(fits(size, padding, mode))
    x = drawn(2, 3, *size).requires_grad_()
    out = padded(x, padding, mode)
    grad = drawn(*out.shape, seed=1)
    expected = torch.autograd.grad(out, x, grad)[0] if out is not x else grad.clone()
    fold_border(grad, padding, mode)
    torch.testing.assert_close(inside(grad, padding), expected, atol=1e-12, rtol=0)
