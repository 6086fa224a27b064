"""Where the time of a step goes: a trace of some steps, and a table of the operations that take most of it."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from unpaired.layers.at_once import in_turn
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
_AROUND = re.compile(  # names of what a pass goes through
    r"^autograd::engine::evaluate_function|Backward\d+$|^_AtOnce(Backward)?$"
)
_BACKWARD = "Backward"  # what torch adds to the name of an operation with a backward pass of its own
_WORDS = ("operation", "shapes of its inputs")
_HEADINGS = ("ms a step", "share", "calls a step", "MiB a call", *_WORDS)
_SHAPES_SHOWN = 4  # input, gain and shift where there are some, weights

Item = TypeVar("Item")
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Operation:
    """What all calls of one operation with inputs of the same shapes took, with the operations that they called.

    `num_bytes` is what they allocated and did not free again. Shapes of a way back are those of the way there.
    """

    name: str
    shapes: Shapes
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
    num_steps: int | None,
    networks: Iterable[nn.Module],
    run_folder: Path,
    device: torch.device,
    say: Callable[[str], None],
) -> Iterator[Callable[[], None]]:
    """What to call at the end of every update, for `num_steps` of them to be profiled after those that warm up.

    Then the trace and the table are written into `run_folder`, `say` is given the table, and the rest of the block runs
    as without. None profiles nothing. The numbers of the run do not change: what `networks` do at once is done in turn
    meanwhile, where the profiler sees it. Raises `UserError` when the disk is full.
    """
    if num_steps is None:
        yield lambda: None
        return

    def report(profiler: profile) -> None:
        visibly.close()
        _write(profiler, run_folder / FOLDER, device.type, say)

    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # it reports on stderr that it begins, that there is no GPU, …
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    plan = schedule(wait=WARM_UP_STEPS - 1, warmup=1, active=num_steps, repeat=1)
    with (
        ExitStack() as visibly,
        profile(
            activities=activities,
            schedule=plan,
            on_trace_ready=report,
            record_shapes=True,
            profile_memory=True,
            acc_events=True,
        ) as profiler,
    ):
        visibly.enter_context(in_turn(*networks))
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
        operation.name,
        " ".join("x".join(map(str, shape)) for shape in operation.shapes),
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
    found: Iterable[FunctionEvent] = profiler.events() or ()  # type: ignore[no-untyped-call]
    events = [event for event in found if event.device_type.name == "CPU"]
    steps, waits = ([event for event in events if event.name == name] for name in (_STEP, _WAITING))
    seconds, waiting = (sum(event.cpu_time_total for event in some) / 1e6 for some in (steps, waits))
    outermost = [operation for event in events if event.cpu_parent is None for operation in _operations(event)]
    return Profile(len(steps), device, seconds, waiting, _added_up(outermost, _forward(events), device))


def _operations(event: FunctionEvent) -> Iterator[FunctionEvent]:
    """The operations that the networks, losses and optimizers call within `event`, not those that these call."""
    if not event.is_user_annotation and not _AROUND.search(event.name):
        yield event
        return
    for child in event.cpu_children:
        yield from _operations(child)


def _forward(events: Iterable[FunctionEvent]) -> dict[tuple[str, int], FunctionEvent]:
    """The operations with a backward pass of their own, by their name and the number that both passes have."""
    return {(event.name, event.sequence_nr): event for event in events if event.sequence_nr >= 0}


def _added_up(
    events: Iterable[FunctionEvent], forward: Mapping[tuple[str, int], FunctionEvent], device: str
) -> tuple[Operation, ...]:
    """One operation for all `events` of the same name and shapes."""
    calls: dict[tuple[str, Shapes], list[tuple[float, int]]] = {}
    for event in events:
        there = forward.get((event.name.removesuffix(_BACKWARD), event.sequence_nr), event)
        key = _name(event.name), _shapes(there)
        if device == "cuda":
            took = event.device_time_total, event.device_memory_usage
        else:
            took = event.cpu_time_total, event.cpu_memory_usage
        calls.setdefault(key, []).append(took)
    return tuple(
        Operation(name, shapes, len(took), sum(time for time, _ in took) / 1e6, sum(size for _, size in took))
        for (name, shapes), took in calls.items()
    )


def _name(name: str) -> str:
    """The name of an event for people: `aten::mm` is mm, and `_ConvolutionBackward` is Convolution backward."""
    plain = name.rpartition("::")[2]
    if not plain.endswith(_BACKWARD):
        return plain.lstrip("_") if plain[1:2].isupper() else plain
    return f"{plain.lstrip('_').removesuffix(_BACKWARD)} backward"


def _shapes(event: FunctionEvent) -> Shapes:
    shapes: Any = event.input_shapes or ()  # one of each input, though torch declares them as one
    return tuple(tuple(shape) for shape in shapes if shape)[:_SHAPES_SHOWN]


def _write_text(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")


def _compress(raw: Path, path: Path) -> None:
    with raw.open("rb") as source, gzip.open(path, "wb") as target:
        shutil.copyfileobj(source, target)
