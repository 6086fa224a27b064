"""What is done to a picture, and to boxes in it, before the network sees it: resize, crop, flip.

The colours stay as they are.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.images import Size


def resized_size(size: Size, data: DataConfig) -> Size:
    """The (height, width) to which a picture of `size` (height, width) is resized before the crop."""
    if data.resize == "none":
        return size
    goal_height, goal_width = data.size[0] + data.margin, data.size[1] + data.margin
    if data.resize == "stretch":
        return goal_height, goal_width
    height, width = size
    if data.resize == "cover":
        scale = max(goal_height / height, goal_width / width)
        return max(goal_height, round(height * scale)), max(goal_width, round(width * scale))
    shorter = data.resize  # the longer side is rounded down, as torchvision's Resize does in the reference
    return (shorter, shorter * width // height) if height <= width else (shorter * height // width, shorter)


def resized(image: Image.Image, data: DataConfig) -> Image.Image:
    """`image` resized as `data` says (bilinear, antialiased); the same object when its size is right already."""
    height, width = resized_size((image.height, image.width), data)
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR)


@dataclass(frozen=True)
class Crop:
    """The part of a picture that starts at `top` and `left` and has `size` (height, width), mirrored or not."""

    top: int
    left: int
    size: Size
    mirrored: bool = False

    def of(self, picture: Tensor) -> Tensor:
        """The part of `picture` (3, H, W). May share memory with it."""
        height, width = self.size
        assert picture.shape[1] >= self.top + height, (picture.shape, self)
        assert picture.shape[2] >= self.left + width, (picture.shape, self)
        part = picture[:, self.top : self.top + height, self.left : self.left + width]
        return torch.flip(part, dims=(2,)) if self.mirrored else part

    def of_box(self, box: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the `box` (left, top, right, bottom; pixels of the picture) lies in the part, and perhaps beyond it."""
        left, top, right, bottom = box - (self.left, self.top, self.left, self.top)
        if self.mirrored:
            left, right = self.size[1] - right, self.size[1] - left
        return np.array([left, top, right, bottom])


def random_crop(picture_size: Size, size: Size, flip: bool, rng: random.Random) -> Crop:
    """A random part of `size` of a picture of `picture_size` (both height, width), mirrored at random if `flip`.

    Draws three numbers from `rng`, whatever `flip` and the sizes are.
    """
    # random() alone is promised to give the same numbers in every version of Python
    top = int(rng.random() * (picture_size[0] - size[0] + 1))
    left = int(rng.random() * (picture_size[1] - size[1] + 1))
    mirrored = rng.random() < 0.5
    return Crop(top, left, size, flip and mirrored)


def centre_crop(picture_size: Size, size: Size) -> Crop:
    """The middle part of `size` of a picture of `picture_size` (both height, width)."""
    return Crop((picture_size[0] - size[0]) // 2, (picture_size[1] - size[1]) // 2, size)


def share_inside(box: NDArray[np.float64], size: Size) -> float:
    """The part of the area of `box` (left, top, right, bottom) that lies in a picture of `size` (height, width)."""
    left, top, right, bottom = box
    inside_width = max(0.0, min(right, size[1]) - max(left, 0.0))
    inside_height = max(0.0, min(bottom, size[0]) - max(top, 0.0))
    return float(inside_width * inside_height / ((right - left) * (bottom - top)))
