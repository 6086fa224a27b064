"""What is done to a picture before the network sees it: resize, crop, flip. The colours stay as they are."""

from __future__ import annotations

import random

import torch
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


def random_crop_and_flip(picture: Tensor, size: Size, flip: bool, rng: random.Random) -> Tensor:
    """A random part of `size` (height, width) of the bytes `picture` (3, H, W), mirrored at random if `flip`.

    Draws three numbers from `rng`, whatever `flip` and the sizes are. The result may share memory with `picture`.
    """
    # random() alone is promised to give the same numbers in every version of Python
    top = int(rng.random() * (picture.shape[1] - size[0] + 1))
    left = int(rng.random() * (picture.shape[2] - size[1] + 1))
    mirrored = rng.random() < 0.5
    part = _part(picture, top, left, size)
    return torch.flip(part, dims=(2,)) if flip and mirrored else part


def centre_crop(picture: Tensor, size: Size) -> Tensor:
    """The middle part of `size` (height, width) of `picture` (3, H, W). Shares memory with it."""
    return _part(picture, (picture.shape[1] - size[0]) // 2, (picture.shape[2] - size[1]) // 2, size)


def _part(picture: Tensor, top: int, left: int, size: Size) -> Tensor:
    height, width = size
    assert picture.shape[1] >= height, (picture.shape, size)
    assert picture.shape[2] >= width, (picture.shape, size)
    return picture[:, top : top + height, left : left + width]
