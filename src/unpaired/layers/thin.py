"""Gradients of large weights that met few vectors, as the two thin matrices whose product they are.

A weight (outputs, K) that met P patches has the gradient rowsᵀ · patches, of (P, outputs) and (P, K). A discriminator's
last kernel has 134 MB and meets a dozen patches: its gradient takes longer to write down, to measure and to read than
to compute. Within `thin_gradients` it is left as it is, for an optimizer that multiplies a few rows at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from unpaired.layers.products import product

_THIN = 4  # times fewer numbers than the gradient


@dataclass(frozen=True)
class ThinGradient:
    """The gradient rowsᵀ · patches of a weight: `rows` (P, outputs) and `patches` (P, K), in channels-last order."""

    rows: Tensor
    patches: Tensor

    @classmethod
    def sum_of(cls, parts: Iterable[ThinGradient]) -> ThinGradient:
        """The sum of several, of the same weight: in bfloat16 if one of them is."""
        parts = list(parts)
        dtype = min((part.rows.dtype for part in parts), key=lambda dtype: dtype.itemsize)
        rows, patches = zip(*((part.rows.to(dtype), part.patches.to(dtype)) for part in parts), strict=True)
        return cls(torch.cat(rows), torch.cat(patches))

    def norm(self) -> Tensor:
        """Its Euclidean norm, from products of P by P numbers."""
        rows, patches = self.rows.double(), self.patches.double()
        return ((rows @ rows.t()) * (patches @ patches.t())).sum().clamp_min(0).sqrt()

    def dense(self, like: Tensor) -> Tensor:
        """The gradient itself, with the shape of the weight `like`; of a kernel in channels-last order."""
        matrix = product(self.rows.t(), self.patches).to(like.dtype)
        if like.dim() == 2:
            return matrix
        num_outputs, channels, height, width = like.shape
        return matrix.view(num_outputs, height, width, channels).permute(0, 3, 1, 2)

    def pays_for(self, weight: Tensor) -> bool:
        """Whether it is much smaller than the gradient of `weight`, whose order of memory is that of the patches."""
        is_small = _THIN * (self.rows.numel() + self.patches.numel()) <= weight.numel()
        order = torch.contiguous_format if weight.dim() == 2 else torch.channels_last
        return is_small and weight.is_contiguous(memory_format=order)


class _Collection(threading.local):
    """What is being collected in this thread: on a CPU, the one that calls `backward` also makes the gradients."""

    found: dict[Tensor, ThinGradient] | None = None


_collection = _Collection()


@contextmanager
def thin_gradients(found: dict[Tensor, ThinGradient], *, on: bool = True) -> Iterator[None]:
    """Adds thin gradients to `found` by their parameter, whose `grad` they are then not in. None where it is not `on`.

    At the end of the context there is one gradient a parameter: one that also has a `grad` has it all there.
    """
    with collecting(found if on else None):
        yield
    for parameter in [p for p in found if p.grad is not None]:
        assert parameter.grad is not None
        parameter.grad += found.pop(parameter).dense(parameter)


def collection() -> dict[Tensor, ThinGradient] | None:
    """Where this thread's backward passes leave thin gradients; None where they leave none."""
    return _collection.found


@contextmanager
def collecting(found: dict[Tensor, ThinGradient] | None) -> Iterator[None]:
    """Lets this thread's backward passes leave thin gradients in `found`, which may be the `collection` of another."""
    outer, _collection.found = _collection.found, found
    try:
        yield
    finally:
        _collection.found = outer


def collected(weight: Tensor, thin: list[ThinGradient], direct: Tensor | None) -> Tensor | None:
    """The gradient of `weight` that autograd gets: `direct` and all of `thin`, which is emptied.

    None where there is none, or where somebody collects it as it is. Fit for gradients of gradients where `thin` is
    empty.
    """
    if not thin:
        return direct
    total = ThinGradient.sum_of(thin)
    thin.clear()
    if direct is None:
        return None if handed_over(weight, total) else total.dense(weight)
    return direct + total.dense(weight)


def handed_over(parameter: Tensor, gradient: ThinGradient) -> bool:
    """Whether somebody collects the `gradient` of the leaf `parameter`, who has got it now."""
    found = _collection.found
    if found is None or not parameter.is_leaf or not gradient.pays_for(parameter):
        return False
    found[parameter] = ThinGradient.sum_of([*([found[parameter]] if parameter in found else []), gradient])
    return True
