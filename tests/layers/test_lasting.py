"""Convolutions of networks that are only used: the numbers of all others, also after the weights have changed."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from unpaired.layers.convs import make_conv
from unpaired.layers.lasting import make_lasting
from unpaired.layers.padding import PaddingMode
from unpaired.layers.pending import Pending, PendingConv2d
from unpaired.layers.winograd import Winograd


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def pending(num: int, channels: int, height: int, width: int) -> Pending:
    gain, shift = drawn(2, num, channels, 1, 1).unbind()
    return Pending(drawn(num, channels, height, width), gain, shift, 0.2)


def conv(kernel: int, stride: int = 1, *, upsample: int = 1, pad: PaddingMode = "reflect") -> nn.Module:
    padding = kernel // 2 if stride == 1 else 1
    return make_conv(128, 128, kernel, stride, padding, pad=pad, upsample=upsample).requires_grad_(False)


CONVS = [
    conv(3),
    conv(4, 2),
    conv(5, upsample=2),
    conv(5, upsample=2, pad="zero"),
    conv(3, upsample=2),
    conv(7),  # no way of its own
    PendingConv2d(128, 32, 3, padding=(1, 1, 1, 1)).requires_grad_(False),
]


@pytest.mark.parametrize("layer", CONVS)
@pytest.mark.parametrize("size", [(1, 64, 64), (2, 35, 50), (1, 6, 6)])
def test_numbers_stay(layer, size):
    num, height, width = size
    x = pending(num, 128, height, width)
    with torch.no_grad():
        expected = layer(x)
        make_lasting(layer)
        for _ in range(2):
            torch.testing.assert_close(layer(x), expected, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("layer", [conv(3), conv(4, 2), conv(5, upsample=2)])
@pytest.mark.parametrize("has_amx", [False, True])
def test_bf16_is_as_exact_as_bf16_is(layer, has_amx, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    x = pending(1, 128, 66, 66)
    with torch.no_grad():
        expected = layer(x)
        layer = copy.deepcopy(layer)
        make_lasting(layer)
        with torch.autocast("cpu", torch.bfloat16):
            found = layer(x)
        assert found.dtype == torch.bfloat16
        assert (found - expected).norm() < (0.005 if has_amx else 0.015) * expected.norm()


def test_changed_weights_are_used():
    layer, x = conv(3), pending(1, 128, 20, 20)
    make_lasting(layer)
    with torch.no_grad():
        before = layer(x)
        layer.load_state_dict({name: 2 * value for name, value in layer.state_dict().items()})
        torch.testing.assert_close(layer(x), 2 * before)


def test_gradients_are_those_of_training():
    layer, x = conv(3).requires_grad_(), pending(1, 128, 20, 20)
    expected = torch.autograd.grad(layer(x).square().sum(), layer.weight)[0]
    make_lasting(layer)
    with torch.no_grad():
        layer(x)
    assert torch.equal(torch.autograd.grad(layer(x).square().sum(), layer.weight)[0], expected)


def test_spectral_norm_goes_on_without():
    layer = make_conv(128, 128, 3, 1, 1, pad="zero", spectral=True).eval()
    x = pending(1, 128, 20, 20)
    with torch.no_grad():
        expected = layer(x)
        make_lasting(layer)
        assert torch.equal(layer(x), expected)


@pytest.mark.usefixtures("usual_processor")
def test_kernels_are_transformed_once(monkeypatch):
    transformed = []
    transform = Winograd.kernels
    monkeypatch.setattr(Winograd, "kernels", lambda self, w: transformed.append(w) or transform(self, w))
    layer, x = conv(3), pending(1, 128, 20, 20)
    with torch.no_grad():
        make_lasting(layer)
        for _ in range(3):
            layer(x)
    assert len(transformed) == 1


def test_what_bf16_makes_of_kernels_is_kept(monkeypatch):
    """With AMX, where kernels are not transformed."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    for layer in (conv(3), conv(5, upsample=2)):
        made = Counter()
        x = pending(1, 128, 20, 20)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            make_lasting(layer)
            with Made(made):
                first = layer(x)
            assert made
            made.clear()
            with Made(made):
                assert torch.equal(layer(x), first)
        assert not made


class Made(TorchDispatchMode):
    """Counts what rounds, or multiplies, as many numbers as a kernel has."""

    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func._schema.name
        if name in ("aten::_to_copy", "aten::bmm") and out.numel() >= 128 * 128 * 9:
            self.found[name] += 1
        return out
