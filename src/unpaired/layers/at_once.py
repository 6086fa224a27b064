"""Parts of a network that share no weight, worked on at once, forward and backward, on a CPU.

A training step has two directions, each with networks of its own. On a CPU with several cores both take less time at
once, with half of the cores each, than one after the other: see `layers.pools`. Which is done first changes nothing:
no two parts add to the same gradient, and gradients of what they are given are added by the caller's graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unpaired.layers.pools import pool_of
from unpaired.layers.thin import collecting, collection

Key = TypeVar("Key")
T = TypeVar("T")
Run = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Does several works and gives their results."""


@dataclass(frozen=True)
class Part:
    """`function(*inputs)`: tensors from tensors, without random numbers.

    What it uses and needs a gradient is a parameter or one of `inputs`.
    """

    function: Callable[..., tuple[Tensor, ...]]
    inputs: tuple[Tensor, ...]


class Divided(nn.Module):
    """A network of parts that share no parameter, which may be worked on at once: see `set_at_once`."""

    run: Run | None = None
    """What works on several parts, each with its share of torch's threads; None: they are done one by one, with all."""

    def divides(self, num_parts: int) -> bool:
        """Whether that many parts would be worked on at once, or in turn as if they were."""
        return self.run is not None and torch.is_grad_enabled() and torch.get_num_threads() % num_parts == 0

    def each(self, parts: Mapping[Key, Part], *, twice: bool = False) -> dict[Key, tuple[Tensor, ...]]:
        """What each of `parts` gives. `twice`: gradients of it may get gradients, for which parts cannot be at once."""
        if twice or self.run is None or not self.divides(len(parts)):
            return {key: part.function(*part.inputs) for key, part in parts.items()}
        passes = _Passes(list(parts.values()), self.run)
        anchor = torch.empty(0, requires_grad=True)  # there are parameters, of which the graph here knows nothing
        given = iter(_AtOnce.apply(passes, anchor, *(x for part in parts.values() for x in part.inputs)))
        return {key: tuple(next(given) for _ in outputs) for key, outputs in zip(parts, passes.outputs, strict=True)}


def set_at_once(network: nn.Module, on: bool) -> None:
    """Tell all divided networks in `network`, which are on a CPU, how to work from now on.

    Not where processes average gradients: parts put theirs where they belong by themselves.
    """
    for module in network.modules():
        if isinstance(module, Divided):
            module.run = _at_once if on else None


@contextmanager
def in_turn(*networks: nn.Module) -> Iterator[None]:
    """Within it, divided networks do in this thread, with as many cores, what they would do at once.

    The same numbers, bit by bit, for those who see one thread alone, as profilers do.
    """
    modules = [module for network in networks for module in network.modules() if isinstance(module, Divided)]
    divided = [module for module in modules if module.run is not None]
    for module in divided:
        module.run = _in_turn
    try:
        yield
    finally:
        for module in divided:
            module.run = _at_once


class _Passes:
    """A pass of each part, with a graph of its own from its inputs to its `outputs`. `run` does several works."""

    def __init__(self, parts: Sequence[Part], run: Run) -> None:
        self._parts = parts
        self._run = run
        self._inputs = [[x.detach().requires_grad_(x.requires_grad) for x in part.inputs] for part in parts]
        self.outputs: list[tuple[Tensor, ...]] = []

    def forward(self) -> list[Tensor]:
        """All outputs, of all parts."""
        dtype, enabled = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")

        def work(part: Part, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
            with torch.enable_grad(), torch.autocast("cpu", dtype=dtype, enabled=enabled):
                return part.function(*inputs)

        self.outputs = self._run([partial(work, *each) for each in zip(self._parts, self._inputs, strict=True)])
        return [out for outputs in self.outputs for out in outputs]

    def backward(self, grads: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The gradients of all inputs by those of all outputs. Parameters get theirs. Once only."""
        if not self.outputs:
            raise RuntimeError("A backward pass through parts that were worked on at once is possible once only")
        thin, coming = collection(), iter(grads)
        ways = [[(out, next(coming)) for out in outputs] for outputs in self.outputs]
        inputs, self._inputs, self.outputs = self._inputs, [], []  # nothing outlives this pass

        def work(ways: Sequence[tuple[Tensor, Tensor | None]]) -> None:
            used = [(out, grad) for out, grad in ways if grad is not None]
            if used:
                outs, their_grads = zip(*used, strict=True)
                with torch.enable_grad():
                    source = _Source.apply(their_grads, *outs)
                with collecting(thin):
                    source.backward()

        self._run([partial(work, each) for each in ways])
        return [x.grad for each in inputs for x in each]


class _AtOnce(torch.autograd.Function):
    """What `passes` make of their inputs, which are given here too, for the graph."""

    @staticmethod
    def forward(ctx: Any, passes: _Passes, anchor: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG004
        ctx.passes = passes
        ctx.set_materialize_grads(False)
        outputs = passes.forward()
        given = [out.detach() for out in outputs]
        ctx.mark_non_differentiable(*(g for g, out in zip(given, outputs, strict=True) if not out.requires_grad))
        return tuple(given)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.passes.backward(grads)


class _Source(torch.autograd.Function):
    """A number whose gradients by `outs` are `grads`.

    `torch.autograd.backward(outs, grads)` is the same, but compares shapes by means of sympy: 35 MiB and 0.4 s.
    """

    @staticmethod
    def forward(ctx: Any, grads: tuple[Tensor, ...], *outs: Tensor) -> Tensor:
        ctx.grads = grads
        return outs[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        grads, ctx.grads = ctx.grads, ()
        return None, *grads


def _at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """The results of all `works`, when all have ended."""
    pool = pool_of(len(works))
    futures = [pool.submit(work) for work in works]
    wait(futures)
    return [future.result() for future in futures]


def _in_turn(works: Sequence[Callable[[], T]]) -> list[T]:
    """The same in this thread."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(num_threads // len(works))
    try:
        return [work() for work in works]
    finally:
        torch.set_num_threads(num_threads)
