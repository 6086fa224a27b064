"""Trading a little arithmetic for memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def recomputed(function: Callable[..., Tensor], *inputs: object) -> Tensor:
    """`function(*inputs)`, of which nothing is kept: the backward pass computes it again.

    For parts of a network whose maps are large and whose arithmetic is small. Numbers stay the same. `function` must
    not draw random numbers.
    """
    if not torch.is_grad_enabled():
        return function(*inputs)
    out: Tensor = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return out
