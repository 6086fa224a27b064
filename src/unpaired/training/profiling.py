"""Where the time of a step goes: a trace of some steps, and a table of the operations that take most of it."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from unpaired.tensorfile import replace_file
from unpaired.training.memory import MIB

WARM_UP_STEPS = 2
"""Steps before the first that is profiled: they load libraries and fill caches."""

NUM_OPERATIONS = 10
FOLDER = "profile"
TRACE_FILE = "trace.json.gz"
TABLE_FILE = "operations.txt"
_WAITING = "waiting for pictures"
_STEP = "ProfilerStep*"  # torch's name for the time between two ends of steps
_WORDS = ("operation", "shapes of its inputs")
_HEADINGS = ("ms a step", "share", "calls a step", "MiB a call", *_WORDS)
_SHAPES_SHOWN = 3  # input, weights, bias

Item = TypeVar("Item")


@dataclass(frozen=True)
class Operation:
    """What all calls of one operation with inputs of the same shapes took, without the operations that they called.

    `num_bytes` is what they allocated and did not free again.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    calls: int
    seconds: float
    num_bytes: int


@dataclass(frozen=True)
class Profile:
    """What `num_steps` steps took, in all: `seconds` by the clock, `waiting_seconds` of these for pictures.

    The operations' seconds are those of `device`.
    """

    num_steps: int
    device: str
    seconds: float
    waiting_seconds: float
    operations: tuple[Operation, ...]

    @property
    def busy_seconds(self) -> float:
        """The time that the device spent on operations."""
        return sum(operation.seconds for operation in self.operations)

    def dearest(self) -> list[Operation]:
        """The operations that take most, the first most of all."""
        return sorted(self.operations, key=lambda operation: operation.seconds, reverse=True)[:NUM_OPERATIONS]


@contextmanager
def profiled(
    num_steps: int | None, run_folder: Path, device: torch.device, say: Callable[[str], None]
) -> Iterator[Callable[[], None]]:
    """What to call at the end of every update, for `num_steps` of them to be profiled after those that warm up.

    Then the trace and the table are written into `run_folder`, `say` is given the table, and the rest of the block runs
    as without. None profiles nothing. The numbers of the run do not change. Raises `UserError` when the disk is full.
    """
    if num_steps is None:
        yield lambda: None
        return

    def report(profiler: profile) -> None:
        _write(profiler, run_folder / FOLDER, device.type, say)

    os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # it reports on stderr that there is no GPU, among other things
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    plan = schedule(wait=WARM_UP_STEPS - 1, warmup=1, active=num_steps, repeat=1)
    with profile(
        activities=activities,
        schedule=plan,
        on_trace_ready=report,
        record_shapes=True,
        profile_memory=True,
        acc_events=True,
    ) as profiler:
        yield profiler.step


def next_visibly(items: Iterator[Item]) -> Item:
    """The next of `items`; how long it was waited for is part of a profile."""
    with record_function(_WAITING):
        return next(items)


def table(found: Profile) -> str:
    """The profile as lines of text for people."""
    a_step = 1000 / found.num_steps
    head = (
        f"Profile of {found.num_steps} steps: {found.seconds * a_step:,.1f} ms a step, "
        f"{found.waiting_seconds * a_step:,.1f} ms of it waiting for pictures.\nOperations take "
        f"{found.busy_seconds * a_step:,.1f} ms of {found.device.upper()} time a step; those that take most:"
    )
    rows = [_HEADINGS, *(_row(operation, found) for operation in found.dearest())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join([head, *(_line(row, widths) for row in rows)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """The cells of `row` as a line: numbers to the right of their columns, words to the left."""
    is_number = [heading not in _WORDS for heading in _HEADINGS]
    cells = zip(row, widths, is_number, strict=True)
    return "  ".join(cell.rjust(width) if number else cell.ljust(width) for cell, width, number in cells).rstrip()


def _row(operation: Operation, found: Profile) -> tuple[str, ...]:
    mib = operation.num_bytes / operation.calls / MIB
    return (
        f"{operation.seconds * 1000 / found.num_steps:,.1f}",
        f"{operation.seconds / found.busy_seconds:.1%}",
        f"{operation.calls / found.num_steps:,.0f}",
        f"{mib:,.1f}" if mib >= 0.05 else "",
        operation.name.removeprefix("aten::"),
        " ".join("x".join(map(str, shape)) for shape in operation.shapes[:_SHAPES_SHOWN] if shape),
    )


def _write(profiler: profile, folder: Path, device: str, say: Callable[[str], None]) -> None:
    """Write trace and table into `folder` and `say` where they are and what takes most."""
    text = table(_measured(profiler, device))
    replace_file(folder / TABLE_FILE, lambda path: _write_text(path, text), len(text))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        raw = Path(place) / "trace.json"
        profiler.export_chrome_trace(str(raw))
        replace_file(folder / TRACE_FILE, lambda path: _compress(raw, path), raw.stat().st_size)
    say(f"{text}\nThe whole trace, for https://ui.perfetto.dev: {folder / TRACE_FILE}")


def _measured(profiler: profile, device: str) -> Profile:
    on_gpu = device == "cuda"
    events = profiler.key_averages(group_by_input_shape=True)
    by_name = {event.key: event for event in events if event.is_user_annotation}
    operations = tuple(
        Operation(
            event.key,
            tuple(tuple(shape) for shape in event.input_shapes or ()),
            event.count,
            (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6,
            event.device_memory_usage if on_gpu else event.cpu_memory_usage,
        )
        for event in events
        if event.device_type.name == "CPU" and not event.is_user_annotation
    )
    step = by_name[_STEP]
    waiting = by_name[_WAITING].cpu_time_total if _WAITING in by_name else 0.0
    return Profile(step.count, device, step.cpu_time_total / 1e6, waiting / 1e6, operations)


def _write_text(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")


def _compress(raw: Path, path: Path) -> None:
    with raw.open("rb") as source, gzip.open(path, "wb") as target:
        shutil.copyfileobj(source, target)
