"""Gradients that are left as two thin matrices: their norm, their sum, and who gets them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unpaired.layers.pending import Pending
from unpaired.layers.spectral import SpectralConv2d
from unpaired.layers.thin import ThinGradient, handed_over, thin_gradients


def kernel(outputs: int = 64, channels: int = 8) -> nn.Parameter:
    return nn.Parameter(torch.empty(outputs, channels, 4, 4).contiguous(memory_format=torch.channels_last))


def gradient(of: Tensor, num_pixels: int, seed: int = 0) -> ThinGradient:
    rng = torch.Generator().manual_seed(seed)
    return ThinGradient(
        torch.randn(num_pixels, len(of), generator=rng), torch.randn(num_pixels, of[0].numel(), generator=rng)
    )


def test_the_norm_is_that_of_the_gradient_itself():
    weight = kernel()
    thin = gradient(weight, 5)
    assert thin.norm().item() == pytest.approx(thin.dense(weight).norm().item(), rel=1e-6)


def test_the_norm_of_what_cancels_is_zero_and_of_what_is_not_finite_not_finite():
    thin = gradient(kernel(), 2)
    assert ThinGradient.sum_of([thin, ThinGradient(-thin.rows, thin.patches)]).norm().item() == pytest.approx(
        0, abs=1e-4
    )
    thin.patches[0, 0] = torch.inf
    assert not thin.norm().isfinite()


def test_a_sum_is_the_sum_of_the_gradients():
    weight = kernel()
    parts = [gradient(weight, 2, seed=1), gradient(weight, 3, seed=2)]
    total = sum(part.dense(weight) for part in parts)
    torch.testing.assert_close(ThinGradient.sum_of(parts).dense(weight), total)


def test_nobody_gets_one_outside_of_the_context_or_when_it_is_off():
    weight = kernel()
    assert not handed_over(weight, gradient(weight, 2))
    found: dict[torch.Tensor, ThinGradient] = {}
    with thin_gradients(found, on=False):
        assert not handed_over(weight, gradient(weight, 2))
    assert found == {}


def test_several_of_one_kernel_are_added_up():
    weight = kernel()
    parts = [gradient(weight, 2, seed=1), gradient(weight, 3, seed=2)]
    found: dict[torch.Tensor, ThinGradient] = {}
    with thin_gradients(found):
        assert all(handed_over(weight, part) for part in parts)
    torch.testing.assert_close(found[weight].dense(weight), sum(part.dense(weight) for part in parts))


def test_a_kernel_with_a_usual_gradient_too_has_it_all_there():
    weight = kernel()
    weight.grad = torch.ones_like(weight)
    thin = gradient(weight, 2)
    found: dict[torch.Tensor, ThinGradient] = {}
    with thin_gradients(found):
        assert handed_over(weight, thin)
    assert found == {}
    torch.testing.assert_close(weight.grad, 1 + thin.dense(weight))


@pytest.mark.parametrize(
    "weight",
    [kernel(outputs=8), nn.Parameter(torch.empty(64, 8, 4, 4)), kernel() * 1],
    ids=["hardly smaller", "another order of memory", "no parameter"],
)
def test_where_it_does_not_pay_it_is_not_handed_over(weight):
    found: dict[torch.Tensor, ThinGradient] = {}
    with thin_gradients(found):
        assert not handed_over(weight, gradient(weight, 2))
    assert found == {}


@pytest.mark.parametrize("num_uses", [1, 2])
def test_a_spectrally_normalized_convolution_hands_over_what_it_would_give(num_uses):
    torch.manual_seed(0)
    layer = SpectralConv2d(8, 64, 4, padding=(1, 1, 1, 1)).to(memory_format=torch.channels_last).eval()
    x = torch.randn(1, 8, 3, 3)
    weight = layer.conv.conv.weight

    def back() -> None:
        for _ in range(num_uses):
            layer(Pending(x)).value().sin().sum().backward()

    back()
    expected, weight.grad = weight.grad, None
    found: dict[torch.Tensor, ThinGradient] = {}
    with thin_gradients(found):
        back()
    assert weight.grad is None
    torch.testing.assert_close(found[weight].dense(weight), expected)
