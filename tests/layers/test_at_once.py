"""Parts at once: the numbers of parts one by one, in threads of their own, with gradients where they belong."""

from __future__ import annotations

import threading
import weakref
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from unpaired.layers.at_once import Divided, Part, in_turn, set_at_once
from unpaired.layers.thin import ThinGradient, thin_gradients
from unpaired.layers.wide_linear import WideLinear

pytestmark = pytest.mark.usefixtures("two_threads")


class Pair(Divided):
    """Two stages of two parts; the second stage sees what the first made of both. Notes where its work is done."""

    def __init__(self, wide: int = 4) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Linear(wide, wide) for _ in "ab")
        self.second = nn.ModuleList(WideLinear(2 * wide, wide) for _ in "ab")
        self.seen: list[tuple[int, int]] = []

    def forward(self, x_a: Tensor, x_b: Tensor, twice: bool = False) -> tuple[Tensor, ...]:
        (a, *_), (b, *_) = self.each({0: self._part(0, x_a), 1: self._part(1, x_b)}, twice=twice).values()
        made_a, made_b = self.each({0: self._mix(0, a, b), 1: self._mix(1, b, a)}, twice=twice).values()
        return *made_a, *made_b

    def _part(self, index: int, x: Tensor) -> Part:
        def function(x: Tensor) -> tuple[Tensor, Tensor]:
            self.seen.append((threading.get_ident(), torch.get_num_threads()))
            return self.first[index](x).tanh(), x.detach() + 1

        return Part(function, (x,))

    def _mix(self, index: int, own: Tensor, other: Tensor) -> Part:
        def function(own: Tensor, other: Tensor) -> tuple[Tensor]:
            return (self.second[index](torch.cat([own, other], dim=1)).tanh(),)

        return Part(function, (own, other))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pairs(**named: int) -> tuple[Pair, Pair]:
    """Equal networks; the second works at once."""
    torch.manual_seed(0)
    one_by_one = Pair(**named)
    other = deepcopy(one_by_one)
    set_at_once(other, True)
    return one_by_one, other


def loss_of(network: Pair, x_a: Tensor, x_b: Tensor) -> Tensor:
    made_a, made_b = network(x_a, x_b)
    return made_a.square().mean() + 3 * made_b.sin().mean()


def gradients(network: nn.Module) -> list[Tensor]:
    return [p.grad for p in network.parameters() if p.grad is not None]


def test_numbers_and_gradients_are_those_of_parts_one_by_one():
    plain, at_once = pairs()
    inputs = [[drawn(3, 4, seed=s).requires_grad_(s == 0) for s in (0, 1)] for _ in "xx"]
    losses = [loss_of(network, *x) for network, x in zip((plain, at_once), inputs, strict=True)]
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(*losses)
    assert len(gradients(plain)) == 8
    torch.testing.assert_close(gradients(at_once), gradients(plain))
    torch.testing.assert_close(inputs[1][0].grad, inputs[0][0].grad)
    assert inputs[1][1].grad is None


def test_each_part_has_a_thread_and_its_share_of_torchs_threads():
    _, at_once = pairs()
    here = threading.get_ident(), 2
    loss_of(at_once, drawn(3, 4), drawn(3, 4)).backward()
    assert {num for _, num in at_once.seen} == {1}
    assert here[0] not in {thread for thread, _ in at_once.seen}
    assert (threading.get_ident(), torch.get_num_threads()) == here


def test_in_turn_all_is_done_here_with_the_same_bits():
    at_once, visibly = pairs(wide=64)
    set_at_once(at_once, True)
    x = drawn(8, 64), drawn(8, 64, seed=1)
    loss_of(at_once, *x).backward()
    with in_turn(visibly):
        loss = loss_of(visibly, *x)
        loss.backward()
    assert visibly.seen == [(threading.get_ident(), 1)] * 2
    assert torch.get_num_threads() == 2
    assert all(map(torch.equal, gradients(visibly), gradients(at_once)))
    visibly.seen.clear()
    visibly(*x)
    assert threading.get_ident() not in {thread for thread, _ in visibly.seen}


@pytest.mark.parametrize("how", ["off", "three threads", "no gradients", "twice"])
def test_otherwise_parts_are_worked_on_one_by_one_here(how):
    plain, at_once = pairs()
    network = plain if how == "off" else at_once
    if how == "three threads":
        torch.set_num_threads(3)
    with torch.set_grad_enabled(how != "no gradients"):
        network(drawn(3, 4), drawn(3, 4), twice=how == "twice")
    assert {thread for thread, _ in network.seen} == {threading.get_ident()}


def test_gradients_of_gradients_where_they_are_asked_for():
    plain, at_once = pairs()
    found = []
    for network in (plain, at_once):
        x = drawn(3, 4).requires_grad_()
        made_a, _ = network(x, drawn(3, 4, seed=1), twice=True)
        (slope,) = torch.autograd.grad(made_a.sum(), x, create_graph=True)
        slope.square().sum().backward()
        found.append(x.grad)
    torch.testing.assert_close(found[1], found[0])


def test_gradients_of_gradients_that_were_not_asked_for_are_an_error():
    _, at_once = pairs()
    x = drawn(3, 4).requires_grad_()
    (slope,) = torch.autograd.grad(loss_of(at_once, x, drawn(3, 4)), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_frozen_parameters_get_no_gradient_and_pass_it_on():
    _, at_once = pairs()
    at_once.requires_grad_(False)
    x = drawn(3, 4).requires_grad_()
    loss_of(at_once, x, drawn(3, 4)).backward()
    assert gradients(at_once) == []
    assert x.grad is not None
    assert x.grad.abs().min() > 0


def test_what_needs_no_gradient_within_needs_none_outside():
    _, at_once = pairs()
    a, plus = at_once.each({number: at_once._part(number, drawn(3, 4)) for number in range(2)})[0]
    assert a.requires_grad
    assert not plus.requires_grad


def test_thin_gradients_of_all_threads_are_collected():
    plain, at_once = pairs(wide=64)
    x = drawn(2, 64), drawn(2, 64, seed=1)
    loss_of(plain, *x).backward()
    found: dict[torch.Tensor, ThinGradient] = {}
    with thin_gradients(found):
        loss_of(at_once, *x).backward()
    weights = [layer.weight for layer in at_once.second]
    assert set(found) == set(weights)
    for layer, weight in zip(plain.second, weights, strict=True):
        torch.testing.assert_close(found[weight].dense(weight), layer.weight.grad)


def test_autocast_reaches_the_threads():
    plain, at_once = pairs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = [network(drawn(3, 4), drawn(3, 4, seed=1))[0] for network in (plain, at_once)]
    assert made[0].dtype == torch.bfloat16
    assert torch.equal(*made)
    assert at_once(drawn(3, 4), drawn(3, 4))[0].dtype == torch.float32


def test_an_error_in_a_part_comes_out_when_the_others_have_ended():
    ended = threading.Event()

    def good(x: Tensor) -> tuple[Tensor]:
        ended.wait(0.05)
        ended.set()
        return (x,)

    def bad(x: Tensor) -> tuple[Tensor]:
        raise ArithmeticError(f"{x.shape}")

    network = Divided()
    set_at_once(network, True)
    with pytest.raises(ArithmeticError):
        network.each({"bad": Part(bad, (drawn(1),)), "good": Part(good, (drawn(1),))})
    assert ended.is_set()


def test_a_backward_pass_frees_what_was_kept_for_it():
    class Noting(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            kept = x * 2
            kept_there.append(weakref.ref(kept))
            ctx.kept = kept
            return x + 1

        @staticmethod
        def backward(ctx, grad):
            return grad

    kept_there: list[weakref.ref[Tensor]] = []
    network = Divided()
    set_at_once(network, True)
    made = network.each({d: Part(lambda x: (Noting.apply(x),), (drawn(2).requires_grad_(),)) for d in "ab"})
    (a,), (b,) = made.values()
    assert all(ref() is not None for ref in kept_there)
    (a + b).sum().backward()
    assert all(ref() is None for ref in kept_there)
    with pytest.raises(RuntimeError, match="once only"):
        b.sum().backward()
