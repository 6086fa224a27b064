"""Batches of training pictures by step: from memory when all pictures fit, else decoded from the disk each time."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from unpaired.config import DataConfig
from unpaired.data.faces import Boxes
from unpaired.data.images import BadPicture, read_picture, read_size, to_uint8
from unpaired.data.sampler import draw, mixed_seed, positions
from unpaired.data.threads import in_threads
from unpaired.data.transforms import Crop, random_crop, resized, resized_size, share_inside

Bytes = NDArray[np.uint8]

MIN_SHARE_OF_FACE = 0.5
"""A face of which less than this is left in the crop counts as none."""


class BytesBatch(NamedTuple):
    """Pictures of a and of b, each (N, 3, H, W), and their face boxes in pixels of the batch where they are asked for.

    Arrays, not tensors: from a worker process they come through a pipe, which is faster for batches of this size than
    the shared memory that tensors come through, and cannot overflow the 64 MiB of it that a container has.
    """

    a: Bytes
    b: Bytes
    boxes_a: Boxes | None = None
    boxes_b: Boxes | None = None


@dataclass(frozen=True)
class Plan:
    """What fixes the content of every batch of a process."""

    batch_size: int
    seed: int
    rank: int
    world_size: int


class PicturesOnDisk:
    """The resized pictures of one domain, decoded anew at each access."""

    def __init__(self, paths: Sequence[Path], data: DataConfig) -> None:
        self._paths = [str(path) for path in paths]  # half the bytes of Path objects to send to a worker
        self._data = data

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:
        """The picture as bytes (3, H, W), as large as the resize makes it. Raises `BadPicture`."""
        return read_resized(Path(self._paths[index]), self._data)


PictureSource = PicturesOnDisk | list[Tensor]


@dataclass(frozen=True)
class Decoded:
    """Pictures that were resized as `data` says, as bytes (3, H, W) by their path."""

    data: DataConfig
    pictures: Mapping[Path, Tensor]


class StepDataset(Dataset[BytesBatch | BadPicture]):
    """The batch of each step. A pure function of the step: order and augmentation are seeded, not stateful.

    A picture that cannot be read any more is returned as the `BadPicture`, not raised, so that it crosses the border
    of a worker process without a traceback.
    """

    def __init__(
        self,
        a: PictureSource,
        b: PictureSource,
        data: DataConfig,
        plan: Plan,
        *,
        boxes_a: Boxes | None = None,
        boxes_b: Boxes | None = None,
    ) -> None:
        self._sources = {"a": a, "b": b}
        self._boxes = {"a": boxes_a, "b": boxes_b}  # one of each picture, as fractions of it
        self._data = data
        self._plan = plan

    def __getitem__(self, step: int) -> BytesBatch | BadPicture:
        """The pictures of both domains for the update `step`."""
        try:
            a, boxes_a = self._batch("a", step)
            b, boxes_b = self._batch("b", step)
        except BadPicture as bad:
            return bad
        return BytesBatch(a, b, boxes_a, boxes_b)

    def _batch(self, domain: str, step: int) -> tuple[Bytes, Boxes | None]:
        plan = self._plan
        where = positions(step, plan.batch_size, plan.rank, plan.world_size)
        pictures, boxes = zip(*(self._picture(domain, position) for position in where), strict=True)
        # by numpy: torch would wake its threads for every batch, which costs milliseconds on a busy machine
        batch = np.stack([picture.numpy() for picture in pictures])  # (N, 3, H, W)
        return batch, None if self._boxes[domain] is None else np.stack(boxes)  # (N, 4)

    def _picture(self, domain: str, position: int) -> tuple[Tensor, Boxes | None]:
        source, boxes = self._sources[domain], self._boxes[domain]
        drawn = draw(self._plan.seed, domain, position, len(source))
        rng = random.Random(mixed_seed("augment", self._plan.seed, domain, drawn.index, drawn.epoch))
        picture = source[drawn.index]
        height, width = picture.shape[1:]
        crop = random_crop((height, width), self._data.size, self._data.flip, rng)
        box = None if boxes is None else cropped_box(boxes[drawn.index] * (width, height, width, height), crop)
        return crop.of(picture), box


def cropped_box(box: Boxes, crop: Crop) -> Boxes:
    """Where the face `box` (4,) lies in the `crop` of its picture, in pixels; NaN when too little of it is left."""
    cropped = crop.of_box(box)
    is_left = share_inside(cropped, crop.size) >= MIN_SHARE_OF_FACE  # not so for NaN
    return cropped if is_left else np.full(4, np.nan)


def read_resized(path: Path, data: DataConfig) -> Tensor:
    """The resized picture in `path` as bytes (3, H, W). Raises `BadPicture`."""
    return to_uint8(resized(read_picture(path, data.background), data))


def decoded(paths: Sequence[Path], data: DataConfig) -> Decoded:
    """The resized pictures in `paths`, decoded in threads. Raises `BadPicture`."""
    pictures = in_threads(lambda path: read_resized(path, data), paths)
    return Decoded(data, dict(zip(paths, pictures, strict=True)))


def fit_in_memory(paths: Sequence[Path], data: DataConfig) -> bool:
    """Whether all resized pictures together take no more than `data.cache_mib`. Raises `BadPicture`.

    Reads the header of one file after the other and stops at the first that is too much.
    """
    num_bytes_left = data.cache_mib * 2**20
    for path in paths:
        height, width = resized_size(read_size(path), data)
        num_bytes_left -= 3 * height * width
        if num_bytes_left < 0:
            return False
    return True
