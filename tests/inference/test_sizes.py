from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unpaired.inference.sizes import cropped, limited, padded, working_size

sides = st.integers(1, 70)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((480, 640), 256, (256, 341)),
        ((640, 480), 256, (341, 256)),
        ((100, 100), 64, (64, 64)),
        ((30, 20), 64, (96, 64)),
        ((480, 640), None, (480, 640)),
        ((1, 1000), 1, (1, 1000)),
    ],
)
def test_working_size(size, side, expected):
    assert working_size(size, side) == expected


@given(height=sides, width=sides, multiple=st.sampled_from([2, 4, 8]), smallest=st.sampled_from([4, 8, 32]))
def test_padding_reaches_the_multiple_and_is_undone(height, width, multiple, smallest):
    x = torch.rand(2, 3, height, width)
    wide = padded(x, multiple, smallest)
    for side, before in zip(wide.shape[2:], (height, width), strict=True):
        assert side % multiple == 0
        assert side >= smallest
        assert side - before < max(multiple, smallest)
    assert torch.equal(cropped(wide, (height, width)), x)


@given(height=st.integers(1, 10_000), width=st.integers(1, 10_000), max_pixels=st.integers(1, 10**6))
def test_a_limited_size_keeps_its_shape(height, width, max_pixels):
    size = limited((height, width), max_pixels)
    if height * width <= max_pixels:
        assert size == (height, width)
    elif min(size) > 1:
        assert max_pixels / 4 < size[0] * size[1] <= max_pixels
        assert abs(size[0] / size[1] / (height / width) - 1) < 1.1 / min(size)


def test_reflection_where_there_is_enough_to_reflect_and_repetition_where_not():
    x = torch.arange(5.0).view(1, 1, 1, 5)
    wide = padded(x, 8, 8)
    assert wide[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert torch.equal(wide[0, 0, 7], wide[0, 0, 0])  # a single row is repeated
