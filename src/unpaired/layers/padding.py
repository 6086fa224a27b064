"""Padding as convolutions use it, by name: of a copy, or in place and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import Tensor
from torch.nn.functional import pad

PaddingMode = Literal["reflect", "replicate", "zero"]
Padding = tuple[int, int, int, int]
"""Pixels: left, right, top, bottom."""

_PAIRED = 5  # lines with the border: in fewer, both ends may be reflections of one line


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
            target.copy_(source.flip(dim) if mode == "reflect" and dim is not None else source)


def fold_border(grad: Tensor, padding: Padding, mode: PaddingMode) -> None:
    """The adjoint of `fill_border`: gradients of the padding are added to those of what was written there."""
    if mode == "zero":
        return
    for dim, target, source in reversed(list(_borders(grad, padding, mode))):
        if dim is None:
            source += target
        else:
            source += target.flip(dim) if mode == "reflect" else target.sum(dim, keepdim=True)


def _borders(whole: Tensor, padding: Padding, mode: PaddingMode) -> Iterator[tuple[int | None, Tensor, Tensor]]:
    """Each border of `whole` with its dimension and the lines that it repeats: columns, then rows with the corners.

    Where both borders of a dimension are one line they come as one, without a dimension: line by line.
    """
    left, right, top, bottom = padding
    rows = whole[:, :, top : whole.shape[2] - bottom]
    for x, dim, before, after in ((rows, 3, left, right), (whole, 2, top, bottom)):
        length = x.shape[dim]
        if before == after == 1 and length > _PAIRED:
            first = 2 if mode == "reflect" else 1
            last = length - 1 - first
            yield (
                None,
                _lines(x, dim, slice(0, length, length - 1)),
                _lines(x, dim, slice(first, last + 1, last - first)),
            )
            continue
        if before:
            lines = (before + 1, before) if mode == "reflect" else (before, 1)
            yield dim, x.narrow(dim, 0, before), x.narrow(dim, *lines)
        if after:
            lines = (length - 2 * after - 1, after) if mode == "reflect" else (length - after - 1, 1)
            yield dim, x.narrow(dim, length - after, after), x.narrow(dim, *lines)


def _lines(x: Tensor, dim: int, which: slice) -> Tensor:
    return x[:, :, which] if dim == 2 else x[:, :, :, which]
