"""Maps on a CPU block by block, each small enough to stay in a core's cache from one operation to the next."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unpaired.layers.scratch import Scratch

_BLOCK_NUMBERS = 2**19  # 2 MiB of float32
_scratch = Scratch()

Block = tuple[slice, slice, slice]
"""Samples, channels and rows of a map (N, C, H, W)."""


def is_in_order(x: Tensor) -> bool:
    """Whether `x` is on a CPU and in the order of memory that blocks are cut from: channels-last."""
    return x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)


def blocks(x: Tensor) -> Iterator[Block]:
    """All blocks of `x` (N, C, H, W), with all channels: whole samples where those are small."""
    num, channels, height, width = x.shape
    samples = max(1, _BLOCK_NUMBERS // (channels * height * width))
    rows = max(1, min(height, _BLOCK_NUMBERS // (channels * width)))
    for sample in range(0, num, samples):
        for row in range(0, height, rows):
            yield slice(sample, sample + samples), slice(None), slice(row, row + rows)


def scratch_block(name: str, block: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Scratch memory (see `layers.scratch`) for a map of the shape of `block`."""
    num, channels, height, width = block.shape
    return _scratch.map(name, (num, channels, height, width), dtype)


def in_float32(name: str, block: Tensor) -> Tensor:
    """A copy of `block` in float32 scratch memory."""
    return scratch_block(name, block).copy_(block)
