"""Residual blocks, against their formula, and what they keep for the backward pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import instance_norm, pad

from unpaired.layers.convs import ConvBlock
from unpaired.layers.pending import Pending
from unpaired.layers.resblocks import AdaINResBlock, ResBlock

CHANNELS, SIDE, NUM_BLOCKS = 8, 32, 3
MAP_BYTES = 8 * CHANNELS * SIDE**2  # float64


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kept_bytes(function: Callable[[], object]) -> int:
    """The bytes of the tensors that the backward pass of `function()` keeps."""
    kept = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function()
    return sum(kept.values())


def convolved(x: torch.Tensor, conv: nn.Module) -> torch.Tensor:
    return torch.conv2d(pad(x, (1, 1, 1, 1), mode="reflect"), conv.weight, conv.bias)


def plain(x: torch.Tensor, block: ResBlock) -> torch.Tensor:
    hidden = instance_norm(convolved(x, block.first.conv)).relu()
    return x + instance_norm(convolved(hidden, block.second.conv))


def plain_adain(x: torch.Tensor, block: AdaINResBlock, parameters: torch.Tensor) -> torch.Tensor:
    first_bias, first_scale, second_bias, second_scale = (p[:, :, None, None] for p in parameters.chunk(4, dim=1))
    hidden = (instance_norm(convolved(x, block.first)) * first_scale + first_bias).relu()
    return x + instance_norm(convolved(hidden, block.second)) * second_scale + second_bias


@pytest.fixture
def chain() -> nn.Sequential:
    blocks = (ResBlock(CHANNELS, pad="reflect", norm="instance", activation="relu") for _ in range(NUM_BLOCKS))
    return nn.Sequential(*blocks).double()


@pytest.fixture
def adain_chain() -> nn.ModuleList:
    blocks = (AdaINResBlock(CHANNELS, pad="reflect", activation="relu") for _ in range(NUM_BLOCKS))
    return nn.ModuleList(blocks).double()


def test_a_chain_of_blocks_is_its_formula(chain: nn.Sequential) -> None:
    x = drawn(2, CHANNELS, SIDE, SIDE).requires_grad_()
    found, expected = chain(Pending(x)).value(), x
    for block in chain:
        expected = plain(expected, block)
    torch.testing.assert_close(found, expected)
    inputs = [x, *(block.first.conv.weight for block in chain)]
    weights = drawn(*x.shape, seed=1)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), inputs) for out in (found, expected))
    torch.testing.assert_close(ours, theirs)


def test_a_chain_of_adaptive_blocks_is_its_formula(adain_chain: nn.ModuleList) -> None:
    x, parameters = drawn(2, CHANNELS, SIDE, SIDE).requires_grad_(), drawn(2, 4 * CHANNELS, seed=2).requires_grad_()
    pending, expected = Pending(x), x
    for block in adain_chain:
        pending, expected = block(pending, parameters), plain_adain(expected, block, parameters)
    torch.testing.assert_close(pending.value(), expected)
    inputs = [x, parameters, *(block.first.weight for block in adain_chain)]
    weights = drawn(*x.shape, seed=1)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), inputs) for out in (pending.value(), expected))
    torch.testing.assert_close(ours, theirs)


def test_two_maps_a_block_are_kept(chain: nn.Sequential, adain_chain: nn.ModuleList) -> None:
    """And what goes into the first one: the sums of the blocks are made again."""
    x = drawn(1, CHANNELS, SIDE, SIDE).requires_grad_()
    parameters = drawn(1, 4 * CHANNELS)

    def adaptive() -> None:
        pending = Pending(x)
        for block in adain_chain:
            pending = block(pending, parameters)

    for function in (lambda: chain(Pending(x)), adaptive):
        assert kept_bytes(function) == pytest.approx((2 * NUM_BLOCKS + 1) * MAP_BYTES, rel=0.2)


@pytest.mark.parametrize("norm", ["instance", "layer", "none", "batch", "spectral"])
@pytest.mark.parametrize("activation", ["relu", "selu"])
def test_the_map_of_a_picture_is_made_again(norm: str, activation: str) -> None:
    """With the same gradients as from one that is kept."""
    torch.manual_seed(0)
    first = ConvBlock(3, CHANNELS, 7, 1, 3, pad="reflect", norm=norm, activation=activation).double()
    second = ConvBlock(CHANNELS, CHANNELS, 4, 2, 1, pad="reflect", norm="none", activation="none").double()
    x = drawn(1, 3, SIDE, SIDE).requires_grad_()
    pending = first(Pending(x))
    gradients = []
    for again in (pending.again, None):
        out = second(Pending(pending.raw, pending.gain, pending.shift, pending.slope, again)).value()
        gradients.append(torch.autograd.grad(out.square().sum(), [x, second.conv.weight], retain_graph=True))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*gradients, strict=True))


def test_the_map_of_a_picture_is_not_kept() -> None:
    first = ConvBlock(3, CHANNELS, 7, 1, 3, pad="reflect", norm="instance", activation="relu").double()
    second = ConvBlock(CHANNELS, CHANNELS, 4, 2, 1, pad="reflect", norm="none", activation="none").double()
    x = drawn(1, 3, SIDE, SIDE)
    assert kept_bytes(lambda: second(first(Pending(x)))) < MAP_BYTES
