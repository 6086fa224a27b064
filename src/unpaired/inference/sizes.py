"""Sizes of pictures at work: scaled to the networks' scale, padded to what they take, cropped back.

Sizes are (height, width) in pixels. Pictures in tensors are (N, 3, H, W).
"""

from __future__ import annotations

import math

from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

Size = tuple[int, int]


def working_size(size: Size, shorter_side: int | None) -> Size:
    """`size` scaled so that its shorter side has `shorter_side` pixels; None leaves it as it is."""
    if shorter_side is None:
        return size
    shorter = min(size)
    height, width = (max(1, round(side * shorter_side / shorter)) for side in size)
    return height, width


def limited(size: Size, max_pixels: int) -> Size:
    """`size`, or the largest of its shape with at most `max_pixels` pixels."""
    scale = min(1.0, math.sqrt(max_pixels / (size[0] * size[1])))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def resized(image: Image.Image, size: Size) -> Image.Image:
    """`image` scaled to `size` as training does it (bilinear, antialiased); the same object when it has that size."""
    height, width = size
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BILINEAR)


def enlarged(image: Image.Image, size: Size) -> Image.Image:
    """The translation `image` scaled to `size` for looking at (bicubic); the same object when it has that size."""
    height, width = size
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)


def padded(x: Tensor, multiple: int, smallest: int) -> Tensor:
    """`x` continued to the right and below until its sides are multiples of `multiple` and at least `smallest`.

    By reflection, or by repeating the last row or column where there is too little to reflect.
    """
    for dim in (2, 3):
        side = x.shape[dim]
        missing = -(-max(side, smallest) // multiple) * multiple - side
        if missing:
            mode = "reflect" if missing < side else "replicate"
            x = pad(x, (0, 0, 0, missing) if dim == 2 else (0, missing, 0, 0), mode=mode)
    return x


def cropped(x: Tensor, size: Size) -> Tensor:
    """The upper left part of `size` of `x`: undoes `padded`."""
    return x[:, :, : size[0], : size[1]]
