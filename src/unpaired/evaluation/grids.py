"""The pictures behind the numbers: translations, the least good ones, all candidates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from unpaired.data.images import scaled
from unpaired.evaluation.candidates import Candidate
from unpaired.evaluation.naming import file_name
from unpaired.evaluation.report import GridFile
from unpaired.evaluation.subjects import Direction, Subject
from unpaired.inference.grids import write_grid
from unpaired.metrics.measurement import Measurement
from unpaired.models.base import Grid, other

FOLDER = "grids"
NUM_INPUTS = 8
NUM_STYLES = 8
NUM_LEAST_GOOD = 6
NUM_REAL_COLUMNS, NUM_REAL_ROWS = 10, 2
JUDGES = ("distance_best", "edge_agreement")
"""The measurements that say which translations are the least good: the first that was made."""


class GridWriter:
    """Writes grids into the folder of a report, candidate by candidate, direction by direction."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slugs: dict[str, str] = {}
        self._files: dict[str, list[GridFile]] = {}
        self._side_by_side: list[tuple[str, Tensor]] = []
        self._shared: list[GridFile] = []

    @property
    def shared(self) -> tuple[GridFile, ...]:
        """The grids that belong to no candidate."""
        return tuple(self._shared)

    def of(self, name: str) -> tuple[GridFile, ...]:
        """The grids of the candidate called `name`."""
        return tuple(self._files.get(name, ()))

    def add(self, candidate: Candidate, subject: Subject, measurements: Sequence[Measurement]) -> None:
        """Draw the translations of a candidate. Raises `UserError` when they cannot be written."""
        if candidate.kind == "baseline":
            return
        direction = subject.direction
        slug = self._slugs.setdefault(candidate.name, file_name(candidate.name, list(self._slugs.values())))
        files = self._files.setdefault(candidate.name, [])
        shown = _spread(len(subject.pictures))
        files.append(self._rows(subject, shown, f"{slug}-to-{direction.to}", f"{direction.arrow}: translations", ""))
        judge = _judge(measurements, direction.arrow)
        if judge is not None:
            name, text = f"{slug}-to-{direction.to}-worst", f"The least good by: {judge.label}."
            files.append(self._rows(subject, _least_good(judge), name, f"{direction.arrow}: the least good", text))
        self._side_by_side.append((candidate.name, subject.one_each[shown]))

    def finish(self, direction: Direction) -> None:
        """Draw what belongs to no candidate: all side by side where there are several, and real pictures."""
        to, source = direction.to, other(direction.to)
        if len(self._side_by_side) > 1:
            shown = _spread(len(direction.x))
            columns, labels = _given(direction, shown)
            columns += [pictures for _, pictures in self._side_by_side]
            labels += [name for name, _ in self._side_by_side]
            title, text = f"{direction.arrow}: side by side", "One translation of each input, of the same inputs."
            self._shared.append(self._write(f"side-by-side-to-{to}", title, text, torch.stack(columns, 1), labels))
        self._side_by_side = []
        for domain, pictures in ((source, direction.x), (to, direction.real)):
            name = f"real-{domain}"
            if not any(file.path == f"{FOLDER}/{name}.png" for file in self._shared):
                text = "Some of the real pictures of this domain, at the size that was measured at."
                self._shared.append(self._write(name, f"Real pictures of {domain}", text, *_sheet(pictures)))

    def _rows(self, subject: Subject, shown: Tensor, name: str, title: str, text: str) -> GridFile:
        """A row for each of the inputs `shown`: the input, what it should become if known, its translations."""
        columns, labels = _given(subject.direction, shown)
        num_styles = min(subject.num_styles, NUM_STYLES)
        columns += list(subject.pictures[shown, :num_styles].unbind(1))
        labels += ["translation"] if subject.num_styles == 1 else [f"style {n}" for n in range(1, num_styles + 1)]
        return self._write(name, title, text, torch.stack(columns, dim=1), labels)

    def _write(self, name: str, title: str, text: str, pictures: Tensor, labels: Sequence[str]) -> GridFile:
        path = f"{FOLDER}/{name}.png"
        write_grid(Grid(name, title, scaled(pictures), tuple(labels)), self._folder / path)
        with Image.open(self._folder / path) as image:
            return GridFile(path, title, text, image.size)


def _given(direction: Direction, shown: Tensor) -> tuple[list[Tensor], list[str]]:
    columns, labels = [direction.x[shown]], ["input"]
    if direction.truth is not None:
        columns.append(direction.truth[shown])
        labels.append("truth")
    return columns, labels


def _spread(count: int) -> Tensor:
    """Indices of at most `NUM_INPUTS` of `count` inputs, evenly spaced."""
    num = min(count, NUM_INPUTS)
    return torch.tensor([k * count // num for k in range(num)])


def _judge(measurements: Sequence[Measurement], arrow: str) -> Measurement | None:
    for name in JUDGES:
        for found in measurements:
            if (found.name, found.direction) == (name, arrow) and found.per_picture:
                return found
    return None


def _least_good(judge: Measurement) -> Tensor:
    """Indices of the inputs whose translations are the least good, the worst first."""
    values = torch.tensor(judge.per_picture)
    return values.argsort(descending=judge.better == "lower", stable=True)[:NUM_LEAST_GOOD]


def _sheet(pictures: Tensor) -> tuple[Tensor, list[str]]:
    """Some of `pictures` (N, 3, H, W) as rows and columns, without labels."""
    columns = min(NUM_REAL_COLUMNS, len(pictures))
    rows = min(NUM_REAL_ROWS, len(pictures) // columns)
    count = rows * columns
    chosen = pictures[[k * len(pictures) // count for k in range(count)]]
    return chosen.reshape(rows, columns, *pictures.shape[1:]), [""] * columns
