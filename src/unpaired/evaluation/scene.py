"""Everything that is the same for all candidates of an evaluation: pictures, size, metrics and their networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.dataset import cropped_box
from unpaired.data.faces import FILE_NAME, Box, open_faces
from unpaired.data.images import read_size
from unpaired.data.transforms import centre_crop, resized_size
from unpaired.errors import Problem
from unpaired.evaluation.data import EvaluationData, Pictures, read_paths, read_pictures, real_pictures, truth_of
from unpaired.evaluation.settings import MOST_BYTES, Settings
from unpaired.evaluation.subjects import Direction
from unpaired.evaluation.tools import Tools
from unpaired.models.base import Domain, other

WHITE_FROM = 240
GREY_WITHIN = 12
NUM_LOOKED_AT = 16


@dataclass
class Scene:
    """The same pictures, metrics and networks for every candidate. Pictures are read when they are first needed."""

    data: EvaluationData
    settings: Settings
    view: DataConfig
    inputs: Mapping[Domain, Pictures]
    metrics: tuple[str, ...]
    tools: Tools
    notes: list[str] = field(default_factory=list)
    _directions: dict[Domain, Direction] = field(default_factory=dict)

    def direction(self, to: Domain) -> Direction:
        """The pictures of the direction to domain `to`. Raises `UserError` for one that cannot be read any more."""
        if to not in self._directions:
            self._directions[to] = self._read(to)
        return self._directions[to]

    def _read(self, to: Domain) -> Direction:
        inputs, data, settings = self.inputs[to], self.data, self.settings
        real = real_pictures(data, to, of_training=settings.of_training)
        truth = truth_of(data, to, inputs)
        return Direction(
            to=to,
            view=self.view,
            inputs=inputs,
            x=read_pictures(inputs, self.view),
            real=read_pictures(real, self.view),
            real_name=real.folder.name,
            real_labels=real.labels,
            truth=None if truth is None else read_pictures(truth, self.view),
            is_edges=has_edges(data, other(to), settings),
            boxes=faces_in(inputs, self.view)[0],
            by_example=settings.by_example,
        )


def chosen_inputs(pictures: Pictures, settings: Settings, view: DataConfig, notes: list[str], where: str) -> Pictures:
    """The held-out `pictures` that are translated; a note says so where they do not fit into memory."""
    height, width = view.size
    fitting = max(1, MOST_BYTES // (settings.num_styles * 3 * height * width))
    wanted = min(settings.num_inputs or len(pictures), len(pictures))
    if fitting < wanted:
        notes.append(
            f"{where}: {fitting:,} of {wanted:,} inputs are taken, evenly spaced: with {settings.num_styles} styles "
            "each more do not fit into memory. Take fewer styles for more inputs: --styles"
        )
    return pictures if min(fitting, wanted) == len(pictures) else pictures.spread(min(fitting, wanted))


def has_edges(data: EvaluationData, domain: Domain, settings: Settings) -> bool:
    """Whether the pictures of `domain` are black edges on white: as the settings say, or as the first of them look."""
    if settings.edges is not None:
        return settings.edges == domain
    first = data.test[domain].paths[:NUM_LOOKED_AT]
    looked_at = [read_paths([path], DataConfig(size=(64, 64), resize="stretch"))[0] for path in first]
    return bool(looked_at) and all(map(looks_like_edges, looked_at))


def looks_like_edges(picture: Tensor) -> bool:
    """Whether `picture` (3, H, W) in bytes is grey, mostly white, and not empty."""
    values = picture.to(torch.int16)
    is_grey = bool((values.amax(0) - values.amin(0)).max() <= GREY_WITHIN)
    share_of_white = float((values.amin(0) >= WHITE_FROM).float().mean())
    return is_grey and 0.4 < share_of_white < 1.0


def faces_of_data(data: EvaluationData, domain: Domain) -> bool:
    """Whether somebody has looked for faces in the held-out pictures of `domain`."""
    return (data.test[domain].folder / FILE_NAME).is_file()


def faces_in(pictures: Pictures, view: DataConfig) -> tuple[Mapping[str, Box] | None, list[Problem]]:
    """The faces in `pictures`, by label, as fractions of what `view` shows of them, and what is wrong with the file.

    None where no box file lies beside the pictures. A face of which `view` cuts off the larger part is none.
    """
    if not (pictures.folder / FILE_NAME).is_file():
        return None, []
    found, problems = open_faces(str(pictures.folder), pictures.folder, pictures.paths)
    if problems:
        return None, problems
    boxes = {}
    for path, label in zip(pictures.paths, pictures.labels, strict=True):
        if path in found and (box := _seen(path, found[path], view)):
            boxes[label] = box
    return boxes, []


def _seen(path: Path, box: Box, view: DataConfig) -> Box | None:
    """`box`, in fractions of the picture, in fractions of what `view` shows of it."""
    height, width = resized_size(read_size(path), view)
    crop = centre_crop((height, width), view.size)
    seen = cropped_box(np.array(box) * (width, height, width, height), crop)
    if np.isnan(seen).any():
        return None
    left, top, right, bottom = (seen / (view.size[1], view.size[0], view.size[1], view.size[0])).tolist()
    return left, top, right, bottom


def measuring_view(views: Sequence[DataConfig], sizes: Iterable[tuple[int, int]], settings: Settings) -> DataConfig:
    """How all pictures of an evaluation are made ready: as for the models when they agree, else at the smallest size.

    `views` are those of the models, `sizes` of the pictures in folders of translations.
    """
    if settings.size is not None:
        return DataConfig(size=settings.size, resize="cover")
    if views and all(view == views[0] for view in views):
        return views[0]
    if views:
        return DataConfig(size=min((view.size for view in views), key=lambda size: size[0] * size[1]), resize="cover")
    found = set(sizes)
    if len(found) == 1:
        return DataConfig(size=found.pop(), resize="cover")
    side = min(min(size) for size in found)
    return DataConfig(size=(side, side), resize="cover")
