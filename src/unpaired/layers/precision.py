"""Leaving autocast where numbers must stay exact, on every device, also on the one without content."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available


def without_autocast(x: Tensor) -> AbstractContextManager[None]:
    """The context in which operations on the device of `x` keep the types that they are given."""
    kind = x.device.type
    if not is_autocast_available(kind):
        return nullcontext()
    context: AbstractContextManager[None] = torch.autocast(kind, enabled=False)
    return context


def compute_dtype(x: Tensor) -> torch.dtype:
    """The type that a convolution of `x` is computed in: autocast's while it is on, else that of `x`."""
    kind = x.device.type
    if is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return x.dtype
