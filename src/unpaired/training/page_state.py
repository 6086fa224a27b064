"""What a run folder tells about its run, read from its files alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from unpaired.config import RunConfig, load
from unpaired.training.checkpoint import Best, read_best
from unpaired.training.logs import EVALUATIONS_FILE, LOG_FILE, METRICS_FILE, read_metrics

MAX_POINTS = 600  # of a curve
MAX_LINES = 10 * MAX_POINTS  # of metrics.jsonl that are looked at
RECENT_RECORDS = 50  # that the present speed is taken from
LOG_TAIL_LINES = 40
LOG_TAIL_BYTES = 16_384
RECENT_SHARE = 0.1  # of the points of a curve
_GRID_FILE = re.compile(r"(?P<name>.+)-(?P<step>\d{8,})\.png")


@dataclass(frozen=True)
class Curves:
    """Down-sampled curves: `values[name][i]` is a mean up to `steps[i]`, None where the term was absent."""

    steps: tuple[int, ...] = ()
    values: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def first(self, name: str) -> float | None:
        """The first value of the curve `name`."""
        return next((value for value in self.values[name] if value is not None), None)

    def recent(self, name: str) -> float | None:
        """The mean over the last tenth of the curve `name`, or None when it has ended."""
        num_points = max(1, round(len(self.steps) * RECENT_SHARE))
        values = [value for value in self.values[name][-num_points:] if value is not None]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class GridHistory:
    """All files of one sample grid: its name, its steps in order, and size and title of the newest file."""

    name: str
    steps: tuple[int, ...]
    title: str
    width: int
    height: int

    def file(self, step: int) -> str:
        """The file's path inside the run folder."""
        return f"samples/{self.name}-{step:08d}.png"


@dataclass(frozen=True)
class Pace:
    """`seconds` spent on training in all, by every process of the run; `steps_per_second` lately, or None."""

    seconds: float = 0.0
    steps_per_second: float | None = None


@dataclass(frozen=True)
class RunState:
    """Everything that the page shows. `last` is the newest line of metrics.jsonl.

    `evaluations` are the lines of evaluations.jsonl, `best` says which checkpoint is the best by them.
    """

    folder: Path
    config: RunConfig
    step: int
    pace: Pace
    last: Mapping[str, Any]
    curves: Curves
    grids: tuple[GridHistory, ...]
    log_tail: str
    evaluations: tuple[Mapping[str, Any], ...] = ()
    best: Best | None = None

    @property
    def finished(self) -> bool:
        """Whether all steps are made."""
        return self.step >= self.config.steps

    @property
    def seconds_left(self) -> float | None:
        """The time that the remaining steps take at the recent pace, if that is known."""
        speed = self.pace.steps_per_second
        return (self.config.steps - self.step) / speed if speed else None


def read_run(folder: Path) -> RunState:
    """The state of the run in `folder`. Raises `UserError` when its config cannot be read."""
    config = load(folder / "config.yaml")
    records = read_metrics(folder / METRICS_FILE, MAX_LINES)
    grids = tuple(read_grids(folder / "samples"))
    last = records[-1] if records else {}
    return RunState(
        folder=folder,
        config=config,
        step=max([last.get("step", 0), *(grid.steps[-1] for grid in grids)]),
        pace=pace_of(records),
        last=last,
        curves=curves_of(records),
        grids=grids,
        log_tail=_tail(folder / LOG_FILE),
        evaluations=tuple(read_metrics(folder / EVALUATIONS_FILE)),
        best=read_best(folder / "checkpoints"),
    )


def curves_of(records: Sequence[Mapping[str, Any]], max_points: int = MAX_POINTS) -> Curves:
    """The curves in `records`, at most `max_points` points each: means of as many records as it takes."""
    size = max(1, -(-len(records) // max_points))
    chunks = [records[start : start + size] for start in range(0, len(records), size)]
    points = [_means(chunk) for chunk in chunks]
    names = dict.fromkeys(name for point in points for name in point)
    steps = tuple(chunk[-1]["step"] for chunk in chunks)
    return Curves(steps, {name: tuple(point.get(name) for point in points) for name in names})


def pace_of(records: Sequence[Mapping[str, Any]]) -> Pace:
    """How long the run of these `records` has trained, and how fast it is lately.

    `seconds` of a record counts from the start of its process: where it falls, a new process begins.
    """
    clock = [(record["step"], record.get("seconds", 0.0)) for record in records]
    starts = [0, *(n for n in range(1, len(clock)) if clock[n][1] < clock[n - 1][1]), len(clock)]
    total = sum(clock[end - 1][1] for end in starts[1:]) if clock else 0.0
    lately = clock[starts[-2] :][-RECENT_RECORDS:]
    if len(lately) < 2 or lately[-1][1] <= lately[0][1]:
        return Pace(total)
    return Pace(total, (lately[-1][0] - lately[0][0]) / (lately[-1][1] - lately[0][1]))


def read_grids(samples: Path) -> Iterator[GridHistory]:
    """The grids in the folder `samples`, by name, without those whose newest file cannot be read."""
    steps: dict[str, list[int]] = {}
    for path in samples.glob("*.png"):
        match = _GRID_FILE.fullmatch(path.name)
        if match:
            steps.setdefault(match["name"], []).append(int(match["step"]))
    for name in sorted(steps):
        ordered = tuple(sorted(steps[name]))
        try:
            with Image.open(samples / f"{name}-{ordered[-1]:08d}.png") as picture:
                yield GridHistory(name, ordered, str(picture.info.get("Title", name)), picture.width, picture.height)
        except OSError:  # not one of ours, or removed meanwhile: no reason to stop a run
            continue


def _means(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean of every number in `records` but the step and the seconds."""
    found: dict[str, list[float]] = {}
    for record in records:
        for name, value in record.items():
            if name not in ("step", "seconds") and isinstance(value, int | float):
                found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _tail(path: Path) -> str:
    """The last lines of the text file at `path`, or nothing."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])
