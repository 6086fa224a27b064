"""Padding as convolutions use it, by name: of a copy, or in place and back."""

from __future__ import annotations

from collections.abc import Iterator
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


def inside(whole: Tensor, padding: Padding) -> Tensor:
    """The part of `whole` (N, C, H, W) without its padding."""
    left, right, top, bottom = padding
    return whole[:, :, top : whole.shape[2] - bottom, left : whole.shape[3] - right]


def fill_border(whole: Tensor, padding: Padding, mode: PaddingMode) -> None:
    """Write the padding of `whole`, whose inside is there. Raises `ValueError` where that is too small to reflect."""
    height, width = inside(whole, padding).shape[2:]
    if mode == "reflect" and (max(padding[:2]) >= width or max(padding[2:]) >= height):
        raise ValueError(f"a map of {height}x{width} pixels cannot be reflected by {padding}")
    for dim, target, source in _borders(whole, padding, mode):
        if mode == "zero":
            target.zero_()
        else:
            target.copy_(source.flip(dim) if mode == "reflect" else source)


def fold_border(grad: Tensor, padding: Padding, mode: PaddingMode) -> None:
    """The adjoint of `fill_border`: gradients of the padding are added to those of what was written there."""
    if mode == "zero":
        return
    for dim, target, source in reversed(list(_borders(grad, padding, mode))):
        source += target.flip(dim) if mode == "reflect" else target.sum(dim, keepdim=True)


def _borders(whole: Tensor, padding: Padding, mode: PaddingMode) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Each border of `whole` with its dimension and the lines that it repeats: columns, then rows with the corners."""
    left, right, top, bottom = padding
    rows = whole[:, :, top : whole.shape[2] - bottom]
    for x, dim, before, after in ((rows, 3, left, right), (whole, 2, top, bottom)):
        length = x.shape[dim]
        if before:
            lines = (before + 1, before) if mode == "reflect" else (before, 1)
            yield dim, x.narrow(dim, 0, before), x.narrow(dim, *lines)
        if after:
            lines = (length - 2 * after - 1, after) if mode == "reflect" else (length - after - 1, 1)
            yield dim, x.narrow(dim, length - after, after), x.narrow(dim, *lines)
