"""Winograd's filtering: exact in fractions, the plain sum in float64, a known loss of digits in float32."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import unfold

from unpaired.layers import winograd
from unpaired.layers.winograd import Winograd, transforms

FILTERS = [Winograd(3, 1, 3), Winograd(3, 1, 4), Winograd(2, 2, 4)]
TEXTBOOK = (0, 1, -1, 2, -2)
EXACT = {"atol": 1e-10, "rtol": 1e-10}

filters = st.sampled_from(FILTERS)
small = st.integers(1, 3)
fractions = st.fractions(-4, 4, max_denominator=16)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def problem(
    way: Winograd, num: int, channels: int, outputs: int, height: int, width: int, rest: int = 0
) -> tuple[Tensor, Tensor]:
    """An input and a kernel with a result of (height, width). The last `rest` rows and columns meet no kernel."""
    side = way.taps * way.stride
    rows, columns = (side + (length - 1) * way.stride + rest for length in (height, width))
    return drawn(num, channels, rows, columns), drawn(outputs, channels, side, side, seed=1)


def plain(x: Tensor, weight: Tensor, way: Winograd) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Torch's result, a gradient by it, and the gradients of x and weight that follow."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    out = torch.conv2d(x, weight, stride=way.stride)
    grad = drawn(*out.shape, seed=2, dtype=x.dtype)
    return out.detach(), grad, *torch.autograd.grad(out, (x, weight), grad)


def assert_plain(way: Winograd, x: Tensor, weight: Tensor) -> None:
    out, grad, *gradients = plain(x, weight, way)
    torch.testing.assert_close(way.convolve(x, weight), out, **EXACT)
    for found, expected in zip(way.gradients(grad, x, weight, (True, True)), gradients, strict=True):
        torch.testing.assert_close(found, expected, **EXACT)


@given(st.data(), st.sampled_from([(w.taps, w.tile) for w in FILTERS]), st.booleans())
def test_transforms_filter_exactly(data, taps_and_tile, textbook):
    taps, tile = taps_and_tile
    n = taps + tile - 1
    points = [Fraction(p) for p in TEXTBOOK[: n - 1]] if textbook else winograd._POINTS[n]
    inputs, kernels, outputs = transforms(taps, tile, points)
    signal, kernel = (data.draw(st.lists(fractions, min_size=size, max_size=size)) for size in (n, taps))
    positions = [d * g for d, g in zip(times(inputs, signal), times(kernels, kernel), strict=True)]
    expected = [sum(kernel[tap] * signal[place + tap] for tap in range(taps)) for place in range(tile)]
    assert times(outputs, positions) == expected


def times(matrix: list[list[Fraction]], vector: list[Fraction]) -> list[Fraction]:
    return [sum((entry * value for entry, value in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


@pytest.mark.parametrize("points", winograd._POINTS.values())
def test_points_are_exact_in_binary(points):
    assert all(float(point) == point for point in points)


@given(filters, small, small, small, st.integers(1, 13), st.integers(1, 13))
def test_values_and_gradients_are_those_of_the_plain_sum(way, num, channels, outputs, height, width):
    assert_plain(way, *problem(way, num, channels, outputs, height, width))


@given(filters, small, st.integers(1, 13), st.integers(1, 13), st.integers(1, 3000))
def test_strips_change_nothing(way, num, height, width, numbers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_STRIP_NUMBERS", numbers)
        assert_plain(way, *problem(way, num, 2, 3, height, width))


@given(filters, small, st.integers(1, 7), small, st.integers(1, 8000))
def test_a_part_of_the_channels_at_a_time_changes_nothing(way, num, channels, outputs, num_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_KERNEL_BYTES", num_bytes)
        assert_plain(way, *problem(way, num, channels, outputs, 6, 5))


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_row_and_a_column_that_no_kernel_meets_get_no_gradient(height, width):
    way = Winograd(2, 2, 4)
    x, weight = problem(way, 2, 2, 3, height, width, rest=1)
    assert_plain(way, x, weight)


@pytest.mark.parametrize("wanted", [(True, False), (False, True), (False, False)])
def test_only_wanted_gradients_are_given(wanted):
    way = FILTERS[0]
    x, weight = problem(way, 1, 2, 2, 5, 5)
    _, grad, *expected = plain(x, weight, way)
    for found, want, whole in zip(way.gradients(grad, x, weight, wanted), wanted, expected, strict=True):
        assert (found is not None) is want
        if found is not None:
            torch.testing.assert_close(found, whole, **EXACT)


@pytest.mark.parametrize("way", FILTERS)
def test_results_are_in_channels_last_order_from_any_order(way):
    x, weight = problem(way, 2, 3, 4, 7, 9)
    last = x.contiguous(memory_format=torch.channels_last), weight.contiguous(memory_format=torch.channels_last)
    out, grad, *_ = plain(x, weight, way)
    results = [(way.convolve(*pair), *way.gradients(grad, *pair, (True, True))) for pair in ((x, weight), last)]
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
        assert one.is_contiguous(memory_format=torch.channels_last)
    assert results[0][0].shape == out.shape


@pytest.mark.parametrize(
    ("way", "factor"), [(Winograd(3, 1, 3), 1.2), (Winograd(2, 2, 4), 1.8), (Winograd(3, 1, 4), 2.0)]
)
def test_float32_loses_as_many_digits_as_the_module_says(way, factor):
    """Root mean square errors on what a ReLU gives, as a multiple of those of a sum term by term.

    A quarter more is allowed; the textbook's points would give 2.5, 3.7 and 4.7.
    """
    x, weight = (t.float() for t in problem(way, 1, 64, 16, 32, 32))
    x = x.relu()
    exact = torch.conv2d(x.double(), weight.double(), stride=way.stride)
    ours, sums = (
        float((found - exact).square().mean().sqrt())
        for found in (way.convolve(x, weight), summed_term_by_term(x, weight, way.stride).view_as(exact))
    )
    assert 0.5 * factor * sums < ours < 1.25 * factor * sums


def summed_term_by_term(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The convolution of one picture, (O, pixels), in the same order on every machine."""
    inputs = unfold(x, weight.shape[2], stride=stride)[0]
    total = torch.zeros(len(weight), inputs.shape[1])
    for values, terms in zip(inputs, weight.flatten(1).T, strict=True):
        total += terms[:, None] * values
    return total


@pytest.mark.parametrize("way", FILTERS)
def test_a_result_stays_as_it_is_while_others_are_computed(way):
    x, weight = problem(way, 1, 2, 3, 8, 8)
    _, grad, *_ = plain(x, weight, way)
    results = way.convolve(x, weight), *way.gradients(grad, x, weight, (True, True))
    before = [result.clone() for result in results]
    way.convolve(-x, weight)
    way.gradients(-grad, x + 1, weight + 1, (True, True))
    assert all(torch.equal(result, kept) for result, kept in zip(results, before, strict=True))


def test_buffers_made_in_inference_mode_serve_training_and_the_reverse():
    way = FILTERS[0]
    winograd._matrices.cache_clear()
    for side in (8, 16):  # the second needs larger buffers
        x, weight = problem(way, 1, 2, 3, side, side)
        with torch.inference_mode():
            inferred = way.convolve(x, weight)
        assert torch.equal(way.convolve(x, weight), inferred)
        assert_plain(way, x, weight)


def test_two_threads_at_once_do_not_disturb_each_other():
    def run(seed: int) -> bool:
        way = FILTERS[seed % len(FILTERS)]
        x, weight = problem(way, 1, 8, 8, 24, 24)
        x = x + seed
        out, grad, *gradients = plain(x, weight, way)
        found = way.convolve(x, weight), *way.gradients(grad, x, weight, (True, True))
        return all(torch.allclose(a, b, atol=1e-9) for a, b in zip(found, (out, *gradients), strict=True))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(run, range(24)))
