"""Every way to convolve gives what torch gives; which one is taken depends on shapes, the type and the device alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from unpaired.layers import convolution, products
from unpaired.layers.convolution import arranged, convolve, gradients, winograd_pays

PLAIN, FILTERING = convolution._Plain, convolution._Filtering
FEW_OUTPUTS, FEW_INPUTS = convolution._FewOutputs, convolution._FewInputs
UNFOLDED = convolution.Unfolded
WAYS = [  # with the sides of its kernels and the stride
    (PLAIN(1), (1, 3), 1), (PLAIN(2), (3, 4), 2),
    *((FILTERING(taps, stride, convolution._TILES[dtype][taps]), (side,), stride)
      for (side, stride), taps in convolution._TAPS.items() for dtype in (torch.float32, torch.bfloat16)),
    (FEW_OUTPUTS(), (5, 7), 1), (FEW_INPUTS(), (5, 7), 1), (UNFOLDED(1), (1, 4), 1), (UNFOLDED(2), (3, 4), 2),
]  # fmt: skip
ORDERS = [torch.contiguous_format, torch.channels_last]
WANTED = [(True, True), (True, False), (False, True), (False, False)]


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@st.composite
def problems(draw: st.DrawFn) -> tuple[convolution._Way, Tensor, Tensor, int]:
    """A way, an input, a kernel and the stride. Sizes are odd as often as even."""
    way, sides, stride = draw(st.sampled_from(WAYS))
    num, channels, outputs = (draw(st.integers(1, 3)) for _ in range(3))
    side = draw(st.sampled_from(sides))
    height, width = (side + draw(st.integers(0, 9)) for _ in range(2))
    x = drawn(num, channels, height, width).to(memory_format=draw(st.sampled_from(ORDERS)))
    weight = drawn(outputs, channels, side, side, seed=1).to(memory_format=draw(st.sampled_from(ORDERS)))
    return way, x, weight, stride


@given(problems(), st.sampled_from(WANTED), st.booleans())
def test_every_way_gives_the_values_and_the_wanted_gradients_of_torch(problem, wanted, is_biased):
    way, x, weight, stride = problem
    bias = drawn(len(weight), seed=3) if is_biased else None
    inputs = x.clone().requires_grad_(), weight.clone().requires_grad_()
    expected = torch.conv2d(*inputs, bias, stride=stride)
    torch.testing.assert_close(way.convolve(x, weight, bias), expected.detach(), atol=1e-10, rtol=1e-10)
    grad = drawn(*expected.shape, seed=2)
    of_inputs = torch.autograd.grad(expected, inputs, grad)
    for found, whole, want in zip(way.gradients(grad, x, weight, wanted), of_inputs, wanted, strict=True):
        assert (found is not None) is want
        if found is not None:
            torch.testing.assert_close(found, whole, atol=1e-10, rtol=1e-10)


FLOAT32_CASES = [  # outputs, inputs, side of the kernel, stride, size; what computes it
    (64, 64, 3, 1, 66, FILTERING),
    (63, 64, 3, 1, 66, PLAIN),  # few channels: transforms cost more than they save
    (64, 63, 3, 1, 66, PLAIN),
    (64, 64, 3, 1, 65, PLAIN),  # 63² pixels: too few for so few channels
    (128, 160, 3, 1, 18, FILTERING),
    (128, 128, 3, 1, 17, PLAIN),  # 15² pixels: too few for the kernels' transforms
    (64, 64, 4, 2, 130, FILTERING),
    (64, 64, 4, 2, 128, PLAIN),
    (32, 64, 4, 2, 130, PLAIN),
    (64, 64, 3, 2, 32, PLAIN),
    (64, 64, 4, 1, 32, PLAIN),
    (64, 8, 4, 2, 18, UNFOLDED),  # 8² pixels, not more than outputs
    (63, 8, 4, 2, 18, PLAIN),
    (64, 8, 4, 1, 11, UNFOLDED),
    (64, 8, 1, 1, 8, UNFOLDED),
    (64, 64, 1, 1, 32, PLAIN),
    (3, 64, 7, 1, 32, FEW_OUTPUTS),
    (4, 64, 5, 1, 32, FEW_OUTPUTS),
    (3, 64, 3, 1, 32, PLAIN),
    (64, 3, 7, 1, 32, FEW_INPUTS),
    (64, 64, 7, 1, 32, PLAIN),
    (3, 64, 7, 2, 32, PLAIN),
]


def chosen(
    outputs: int,
    inputs: int,
    side: int,
    stride: int,
    size: int,
    *,
    dtype: torch.dtype = torch.float32,
    order: torch.memory_format = torch.contiguous_format,
) -> type[convolution._Way]:
    """The way that is taken for one square map of `size` pixels a side, and a kernel of `side`."""
    shapes = (1, inputs, size, size), (outputs, inputs, side, side)
    x, weight = (torch.empty(shape, dtype=dtype).to(memory_format=order) for shape in shapes)
    return type(convolution._way(x, weight, stride))


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize(("outputs", "inputs", "side", "stride", "size", "way"), FLOAT32_CASES)
def test_the_way_is_chosen_by_shape(outputs, inputs, side, stride, size, way):
    for order in ORDERS:
        assert chosen(outputs, inputs, side, stride, size, order=order) is way


@pytest.mark.parametrize(("outputs", "inputs", "side", "stride", "size", "way"), FLOAT32_CASES)
def test_other_types_and_devices_take_the_plain_ways(outputs, inputs, side, stride, size, way):
    x, weight = drawn(1, inputs, size, size), drawn(outputs, inputs, side, side)
    assert type(convolution._way(x, weight, stride)) is (UNFOLDED if way is UNFOLDED else PLAIN)
    assert type(convolution._way(x.to("meta"), weight.to("meta"), stride)) is PLAIN


BFLOAT16_CASES = [
    (128, 128, 3, 1, 34, FILTERING),
    (128, 128, 3, 1, 33, PLAIN),  # 31² pixels
    (127, 128, 3, 1, 34, PLAIN),
    (128, 127, 3, 1, 34, PLAIN),
    (128, 128, 4, 2, 66, FILTERING),
    (3, 64, 7, 1, 32, FEW_OUTPUTS),
    (64, 3, 7, 1, 32, FEW_INPUTS),
    (64, 8, 4, 2, 18, UNFOLDED),
]


@pytest.mark.parametrize("has_amx", [True, False])
@pytest.mark.parametrize(("outputs", "inputs", "side", "stride", "size", "way"), BFLOAT16_CASES)
def test_bf16_is_filtered_where_maps_are_wide_and_products_dear(
    outputs, inputs, side, stride, size, way, has_amx, monkeypatch
):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    found = chosen(outputs, inputs, side, stride, size, dtype=torch.bfloat16)
    assert found is (PLAIN if has_amx and way is FILTERING else way)


@pytest.mark.parametrize(("side", "stride", "size"), [(3, 1, 34), (4, 2, 66)])
def test_filtered_bf16_is_exact_to_half_a_percent_and_its_gradients_to_two(side, stride, size, monkeypatch):
    """Of their norms: a plain convolution rounds by 0.2 %. Roundings are chance, so nothing is biased."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    x, weight = (
        drawn(1, 128, size, size, dtype=torch.bfloat16),
        drawn(128, 128, side, side, seed=1, dtype=torch.bfloat16),
    )
    exact = x.double().requires_grad_(), weight.double().requires_grad_()
    expected = torch.conv2d(*exact, stride=stride)
    grad = drawn(*expected.shape, seed=2, dtype=torch.bfloat16)
    of_inputs = torch.autograd.grad(expected, exact, grad.double())
    found = convolve(x, weight, None, stride), *gradients(grad, x, weight, stride, (True, True))
    for ours, theirs, most in zip(found, (expected.detach(), *of_inputs), (0.006, 0.02, 0.02), strict=True):
        assert ours.dtype == torch.bfloat16
        assert (ours - theirs).norm() < most * theirs.norm()
        scale = (ours * theirs).sum() / theirs.square().sum()
        assert scale.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("outputs", "inputs", "side", "stride", "size", "way"),
    [
        (128, 256, 3, 1, 34, FILTERING),
        (256, 128, 3, 1, 34, FILTERING),
        (256, 128, 3, 1, 33, PLAIN),  # 31² pixels
        (128, 128, 3, 1, 34, PLAIN),
        (127, 256, 3, 1, 34, PLAIN),
        (256, 256, 4, 2, 130, PLAIN),
        (64, 8, 4, 2, 18, UNFOLDED),
    ],
)
def test_wide_processors_of_amd_filter_less(outputs, inputs, side, stride, size, way, monkeypatch):
    """Their plain convolutions are as fast as products; transforms, by MKL, are half as fast."""
    monkeypatch.setattr(products, "is_wide_amd", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert chosen(outputs, inputs, side, stride, size) is way


@pytest.mark.usefixtures("usual_processor")
def test_filtering_pays_for_a_batch_where_it_does_not_for_one_picture():
    assert not winograd_pays(torch.empty(1, 128, 14, 14), (128, 128, 3, 3), 1)
    assert winograd_pays(torch.empty(2, 128, 14, 14), (128, 128, 3, 3), 1)


@pytest.mark.parametrize(
    ("outputs", "inputs", "side", "stride", "size"), [(128, 128, 3, 1, 19), (3, 16, 7, 1, 21), (16, 3, 7, 1, 21)]
)
def test_float32_is_as_near_to_float64_as_rounding_allows(outputs, inputs, side, stride, size):
    x, weight = drawn(2, inputs, size, size).relu().requires_grad_(), drawn(outputs, inputs, side, side, seed=1)
    weight.requires_grad_()
    exact = torch.conv2d(x, weight, stride=stride)
    grad = drawn(*exact.shape, seed=2)
    rounded = x.detach().float(), weight.detach().float()
    found = convolve(*rounded, None, stride), *gradients(grad.float(), *rounded, stride, (True, True))
    for ours, expected in zip(found, (exact.detach(), *torch.autograd.grad(exact, (x, weight), grad)), strict=True):
        assert ours.dtype == torch.float32
        assert (ours - expected).abs().max() < 1e-5 * expected.abs().max()


def test_narrow_bf16_is_torchs_own_bit_for_bit():
    x, weight = drawn(1, 64, 18, 18, dtype=torch.bfloat16), drawn(64, 64, 3, 3, seed=1, dtype=torch.bfloat16)
    assert torch.equal(convolve(x, weight, None, 1), torch.conv2d(x, weight))


def test_arranging_changes_the_order_of_memory_and_nothing_else():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    parameters = list(module.parameters())
    assert arranged(module, torch.device("cpu")) is module
    assert all(ours is theirs for ours, theirs in zip(module.parameters(), parameters, strict=True))
    after = module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    assert module[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not module[0].weight.is_contiguous()


def test_an_arranged_module_takes_over_weights_in_the_usual_order_and_keeps_its_own():
    module, source = (nn.Conv2d(3, 4, 3) for _ in range(2))
    arranged(module, torch.device("cpu")).load_state_dict(source.state_dict())
    assert torch.equal(module.weight, source.weight)
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
