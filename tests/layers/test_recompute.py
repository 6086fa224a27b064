from __future__ import annotations

import weakref
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from unpaired.layers.recompute import Recomputable, made_again, recomputed, set_recompute


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Part(Recomputable):
    """A convolution, batch norm and activation that counts how often it is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Conv2d(8, 3, 3))
        self.num_passes = 0

    def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        self.num_passes += 1
        return self.layers(x) * scale


@pytest.fixture
def pair() -> tuple[nn.Module, nn.Module]:
    """Equal networks of two parts each, of which only the second computes again."""
    network = nn.Sequential(Part(), Part())
    other = deepcopy(network)
    set_recompute(other, True)
    return network, other


def kept_bytes(function, *inputs) -> int:
    """The bytes of the tensors that the backward pass of `function(*inputs)` keeps."""
    kept = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function(*inputs)
    return sum(kept.values())


def test_nothing_is_kept_and_nothing_changes():
    x = drawn(1, 3, 5, 5).requires_grad_()
    calls = []

    def function(x):
        calls.append(1)
        return x.sin().exp()

    (expected,) = torch.autograd.grad(function(x).sum(), x)
    calls.clear()
    out = recomputed(function, x)
    assert torch.equal(torch.autograd.grad(out.sum(), x)[0], expected)
    assert len(calls) == 2
    with torch.no_grad():
        recomputed(function, x)
    assert len(calls) == 3


def test_parts_compute_again_only_when_told_to(pair):
    x = drawn(2, 3, 12, 12)
    for network, times in zip(pair, (1, 2), strict=True):
        network(x).sum().backward()
        assert [part.num_passes for part in network] == [times, times]
    set_recompute(pair[1], False)
    pair[1](x).sum().backward()
    assert [part.num_passes for part in pair[1]] == [3, 3]


def test_gradients_and_running_statistics_are_the_same(pair):
    """Statistics of a batch that is computed twice count once, and its mean and variance are used both times."""
    x, weights = drawn(2, 3, 12, 12), drawn(2, 3, 4, 4, seed=1)
    outs = [(network(x) * weights).sum() for network in pair]
    assert torch.equal(*outs)
    for out in outs:
        out.backward()
    plain, again = pair
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(plain.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(plain.buffers(), again.buffers(), strict=True))
    assert [m.num_batches_tracked.item() for m in again.modules() if isinstance(m, nn.BatchNorm2d)] == [1, 1]


def test_statistics_count_again_in_the_next_pass(pair):
    _, again = pair
    for count in (1, 2):
        again(drawn(2, 3, 12, 12, seed=count)).sum().backward()
        assert {m.num_batches_tracked.item() for m in again.modules() if isinstance(m, nn.BatchNorm2d)} == {count}


def test_spectral_norm_divides_by_what_it_divided_by():
    """Every pass moves its estimate of the largest singular value on, and here a second one comes in between."""

    def gradient(on: bool) -> torch.Tensor:
        torch.manual_seed(0)
        part = Part()
        parametrizations.spectral_norm(part.layers[0])
        set_recompute(part, on)
        outs = [part(drawn(2, 3, 12, 12, seed=seed)).square().sum() for seed in (1, 2)]
        sum(outs).backward()
        return part.layers[0].parametrizations.weight.original.grad

    assert torch.equal(gradient(on=True), gradient(on=False))


def test_gradients_of_gradients_are_the_same(pair):
    penalties = []
    for network in pair:
        x = drawn(2, 3, 12, 12).requires_grad_()
        (grad,) = torch.autograd.grad(network(x).square().sum(), x, create_graph=True)
        penalties.append(torch.autograd.grad(grad.square().sum(), [*network.parameters()][:1])[0])
    assert torch.equal(*penalties)


def test_named_arguments_arrive(pair):
    part = pair[1][0]
    assert torch.allclose(part(drawn(2, 3, 12, 12), scale=2.0), 2 * part(drawn(2, 3, 12, 12)))


def test_maps_are_not_kept(pair):
    """What is kept is the inputs: of the first part the picture, of the second what the first made."""
    x = drawn(2, 3, 64, 64).requires_grad_()
    plain, again = (kept_bytes(network, x) for network in pair)
    assert again <= 4 * (x.numel() + 2 * 3 * 60 * 60)
    assert plain > 3 * again


def test_a_copy_knows_what_to_keep_and_a_checkpoint_does_not(pair):
    plain, again = pair
    assert all(part.recompute for part in deepcopy(again))
    assert plain.state_dict().keys() == again.state_dict().keys()


def sin_times_itself(x: torch.Tensor, make) -> torch.Tensor:
    """Two operations that read `x`, which is made again by `make`."""
    with made_again(x, make):
        return x.sin() * x


def test_a_map_that_can_be_made_again_is_not_kept():
    start = drawn(1000).requires_grad_()
    gradients, is_there = [], []
    for make in (None, lambda: start.detach() + 1):
        x = start + 1
        storage = weakref.ref(x.untyped_storage())
        out = sin_times_itself(x, make)
        del x
        is_there.append(storage() is not None)
        gradients.append(torch.autograd.grad(out.sum(), start)[0])
    assert is_there == [True, False]
    assert torch.equal(*gradients)


def test_what_is_made_again_has_gradients_of_gradients():
    found = []
    for again in (False, True):
        start = drawn(50).requires_grad_()
        out = sin_times_itself(start.exp(), start.detach().exp if again else None)
        (grad,) = torch.autograd.grad(out.sum(), start, create_graph=True)
        found.append((grad, *torch.autograd.grad(grad.square().sum(), start)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
