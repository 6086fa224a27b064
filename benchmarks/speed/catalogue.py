"""All tasks by name, and which of them a call asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.speed.folder import Folder
from benchmarks.speed.pipeline import Pipeline
from benchmarks.speed.startup import StartUp
from benchmarks.speed.tasks import Task
from benchmarks.speed.training import Training
from benchmarks.speed.translation import Translation

from unpaired.errors import Problem, did_you_mean

SIZES = (64, 128, 256)


def catalogue(device: str) -> Mapping[str, Task]:
    """The tasks by name. Large batches are measured on a GPU unless they are named."""
    tasks: list[Task] = [
        *(Training(name=f"train-munit-{size}", preset="munit", size=size) for size in SIZES),
        Training(name="train-munit-256-batch8", preset="munit", size=256, batch=8, by_default=device == "cuda"),
        Training(name="train-munit-small", preset="munit-small", size=64, batch=4),
        Training(name="train-munit-fast", preset="munit-fast", size=64, batch=4, reference_preset="munit-small"),
        *(Training(name=f"train-ugatit-light-{size}", preset="ugatit-light", size=size) for size in SIZES),
        *(_less_memory(preset, size) for preset in ("munit", "ugatit-light") for size in (128, 256, 512)),
        Training(name="train-ugatit-full-256", preset="ugatit", size=256, by_default=False, together=False),
        Translation(name="translate-munit-256", preset="munit", size=256, num_styles=10),
        Pipeline(name="data", preset="munit", size=64, stored=256),
        Folder(name="folder", size=256),
        StartUp(name="startup", preset="munit", size=256),
    ]
    return {task.name: task for task in tasks}


def _less_memory(preset: str, size: int) -> Training:
    """A step with --less-memory, beside the reference's: when it is named."""
    name = f"train-{preset}-{size}-less-memory"
    return Training(name=name, preset=preset, size=size, less_memory=True, by_default=False)


def chosen(tasks: Mapping[str, Task], names: Sequence[str]) -> tuple[list[Task], list[Problem]]:
    """The tasks called `names`, or without any those measured by default; and what is wrong with the names."""
    if not names:
        return [task for task in tasks.values() if task.by_default], []
    problems = [
        Problem(f"--only {name}: there is no such task", _way_out(name, tasks)) for name in names if name not in tasks
    ]
    return [task for task in tasks.values() if task.name in names], problems


def _way_out(name: str, tasks: Mapping[str, Task]) -> str:
    begun = [task for task in tasks if name and task.startswith(name)]
    return f"Choose of: {', '.join(begun)}." if begun else did_you_mean(name, tasks)
