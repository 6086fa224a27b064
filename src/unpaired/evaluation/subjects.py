"""What metrics look at: the translations that one candidate made of the same pictures as all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.faces import Box
from unpaired.data.images import scaled, to_image, to_uint8
from unpaired.data.transforms import centre_crop, resized
from unpaired.evaluation.data import Pictures
from unpaired.inference.translator import Translator
from unpaired.models.base import Domain, other


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One direction of an evaluation: the same pictures for every candidate, at the size at which all are measured.

    Tensors are bytes (N, 3, H, W): `x` the inputs, `real` the pictures to compare with, which come from `real_name`,
    `truth` what each input should become, where that is known. `is_edges`: the inputs are black edges on white.
    `boxes` are the faces of the inputs, by label. `by_example`: models' styles are those of training pictures.
    """

    to: Domain
    view: DataConfig
    inputs: Pictures
    x: Tensor
    real: Tensor
    real_name: str
    real_labels: tuple[str, ...]
    truth: Tensor | None = None
    is_edges: bool = False
    boxes: Mapping[str, Box] | None = None
    by_example: bool = False

    @property
    def arrow(self) -> str:
        """The direction as measurements name it."""
        return f"{other(self.to)}→{self.to}"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of all pictures."""
        return self.view.size


@dataclass(frozen=True)
class Subject:
    """What a candidate made of the inputs of `direction`: `pictures` (N, S, 3, H, W) in bytes, S styles of each."""

    direction: Direction
    pictures: Tensor
    translator: Translator | None = None

    @property
    def num_styles(self) -> int:
        """How many translations there are of each input."""
        return self.pictures.shape[1]

    @property
    def has_styles(self) -> bool:
        """Whether a model made them, by style codes."""
        return self.translator is not None and self.translator.style_dim is not None

    @cached_property
    def one_each(self) -> Tensor:
        """One translation of each input (N, 3, H, W), in bytes: the styles in turn, as a set of pictures needs them."""
        return one_each(self.pictures)


def one_each(pictures: Tensor) -> Tensor:
    """Of (N, S, ...) the style i mod S of each input i: (N, ...)."""
    inputs = torch.arange(len(pictures))
    return pictures[inputs, inputs % pictures.shape[1]]


def to_bytes(pictures: Tensor) -> Tensor:
    """`pictures` in [-1, 1] rounded to bytes, exactly as they are saved to files. Any shape; on the CPU."""
    return pictures.detach().float().cpu().clamp(-1.0, 1.0).add(1.0).mul(127.5).round().to(torch.uint8)


def fitted(pictures: Tensor, view: DataConfig) -> Tensor:
    """`pictures` (N, 3, H, W), in bytes, at the size of `view`: the same tensor when they have it already."""
    if (pictures.shape[2], pictures.shape[3]) == view.size:
        return pictures
    cover = DataConfig(size=view.size, resize="cover", background=view.background)
    images = [to_uint8(resized(to_image(scaled(picture)), cover)) for picture in pictures]
    return torch.stack([centre_crop((image.shape[1], image.shape[2]), view.size).of(image) for image in images])
