"""Padding as convolutions use it, by name."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import pad

PaddingMode = Literal["reflect", "replicate", "zero"]
Padding = tuple[int, int, int, int]
"""Pixels: left, right, top, bottom."""


def same(pixels: int) -> Padding:
    """As many pixels on all sides."""
    return (pixels, pixels, pixels, pixels)


def padded(x: Tensor, padding: Padding, mode: PaddingMode) -> Tensor:
    """`x` (N, C, H, W) with pixels added around it."""
    if not any(padding):
        return x
    return pad(x, padding) if mode == "zero" else pad(x, padding, mode=mode)
