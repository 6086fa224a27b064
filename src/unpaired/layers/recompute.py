"""Trading a little arithmetic for memory: what the backward pass needs is computed again instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

T = TypeVar("T")


class Recomputable(nn.Module):
    """A part of a network that can be told to keep nothing of its passes but what goes in and what comes out.

    While `recompute` is set, the backward pass computes the maps in between again: the same numbers from a third more
    arithmetic. See `set_recompute`.
    """

    recompute = False

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """What `forward` gives."""
        function = partial(super().__call__, **named)
        if not self.recompute:
            return function(*inputs)
        return recomputed(function, *inputs, again=partial(_BuffersOfNow, self))


def set_recompute(network: nn.Module, on: bool) -> None:
    """Tell all recomputable parts of `network` what to keep from now on."""
    for module in network.modules():
        if isinstance(module, Recomputable):
            module.recompute = on


def recomputed(
    function: Callable[..., T],
    *inputs: object,
    again: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> T:
    """`function(*inputs)`, of which nothing is kept: the backward pass computes it again, within what `again` gave.

    For parts of a network whose maps are large and whose arithmetic is small. Numbers stay the same. `function` must
    not draw random numbers.
    """
    if not torch.is_grad_enabled():
        return function(*inputs)
    out: T = checkpoint(
        function,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), again()),
    )
    return out


@contextmanager
def made_again(x: Tensor, make: Callable[[], Tensor] | None) -> Iterator[None]:
    """Within it, operations do not keep `x` for their backward pass, but call `make` there, which gives it again.

    `make` must not hold `x`, and is called once for each operation. Without one, `x` is kept.
    """
    if make is None or not torch.is_grad_enabled():
        yield
        return
    key = _place(x)

    def pack(tensor: Tensor) -> Tensor | Callable[[], Tensor]:
        return make if _place(tensor) == key else tensor

    with saved_tensors_hooks(pack, _unpacked):
        yield


def _place(x: Tensor) -> tuple[object, ...]:
    """What tells a tensor from all others alive, and is the same of what autograd makes of it to keep."""
    return x.untyped_storage()._cdata, x.storage_offset(), x.shape, x.stride(), x.dtype


@torch.no_grad()
def _unpacked(kept: Tensor | Callable[[], Tensor]) -> Tensor:
    return kept if isinstance(kept, Tensor) else kept()


class _BuffersOfNow(AbstractContextManager[None]):
    """Within it, as often as it is entered, the buffers of `network` are as they were when it was made.

    So batch norm and spectral norm give again what they gave, and a pass that is made twice counts once.
    """

    def __init__(self, network: nn.Module) -> None:
        self._places = [
            (module, name) for module in network.modules() for name, _ in module.named_buffers(recurse=False)
        ]
        self._then = [getattr(*place).clone() for place in self._places]
        self._later: list[Tensor] = []

    def __enter__(self) -> None:
        self._later = [getattr(*place) for place in self._places]
        self._put([buffer.clone() for buffer in self._then])

    def __exit__(self, *failure: object) -> None:
        self._put(self._later)

    def _put(self, buffers: Sequence[Tensor]) -> None:
        for place, buffer in zip(self._places, buffers, strict=True):
            setattr(*place, buffer)
