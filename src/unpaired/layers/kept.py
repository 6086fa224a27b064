"""What is made of a weight, kept for as long as the weight stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Kept:
    """Tensors that are made of one weight, made again when it is another tensor or was changed in place.

    A change that torch is not told of, through `weight.data`, is not seen. Threads that ask at once may make one tensor
    twice, and each gets a right one.
    """

    def __init__(self) -> None:
        self._weight: Tensor | None = None
        self._version: tuple[int, int] | None = None
        self._tensors: dict[Callable[[Tensor], Tensor], Tensor] = {}

    def of(self, weight: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
        """`make(weight)`, which is computed once for a `weight` and each function, without gradients."""
        assert not weight.is_inference(), "torch counts no changes of tensors that were made in inference mode"
        version = weight._version, weight.data_ptr()
        if self._weight is not weight or self._version != version:
            self._weight, self._version = weight, version
            self._tensors.clear()
        found = self._tensors.get(make)
        if found is None:
            with torch.inference_mode(False), torch.no_grad():  # it outlives the call
                found = self._tensors[make] = make(weight).clone()  # what it gives may be scratch memory
        return found
