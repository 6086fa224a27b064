"""The command: checkouts of this repository, measured in turn in one call."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.speed.catalogue import catalogue, chosen
from benchmarks.speed.command import PRECISIONS, add_flags, exit_code_of, flag_problems
from benchmarks.speed.comparison import median_seconds, peak_mib
from benchmarks.speed.contest import Round, Rules, contest
from benchmarks.speed.records import Spread
from benchmarks.speed.table import spread
from benchmarks.speed.tasks import Call, OwnTask, Precision, Task
from benchmarks.speed.worker import Terms, Unit

from unpaired.errors import Problem, raise_if_any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("src", "unpaired", "__init__.py")
THIS = "this"


@dataclass(frozen=True)
class Plan:
    """A call that can start: one `task` in one precision, and the sources of each version."""

    call: Call
    task: OwnTask
    precision: Precision
    sources: Mapping[str, Path]
    rounds: int


def main(words: Sequence[str]) -> int:
    """Measure what `words` ask for and print a line for each version; returns the exit code."""
    return exit_code_of(lambda folder: print("\n".join(measured(planned(words, folder)))))


def planned(words: Sequence[str], workspace: Path) -> Plan:
    """What `words` ask for. Raises one `UsageError` with everything that is wrong."""
    options = _parser().parse_args(words)
    call = Call(None, None, (options.precision,), options.device, options.threads, workspace)
    tasks, problems = chosen(catalogue(call.device), [options.only])
    raise_if_any([*problems, *_task_problems(tasks), *_folder_problems(options.checkouts), *flag_problems(options)])
    (task,) = tasks
    assert isinstance(task, OwnTask)
    sources = {folder.resolve().name: folder.resolve() / "src" for folder in options.checkouts}
    return Plan(call, task, options.precision, sources | {THIS: ROOT / "src"}, options.rounds)


def _task_problems(tasks: Sequence[Task]) -> Iterator[Problem]:
    for task in tasks:
        if not isinstance(task, OwnTask):
            yield Problem(f"--only {task.name}: measures no version", "Choose one that trains or translates.")


def _folder_problems(folders: Sequence[Path]) -> Iterator[Problem]:
    for folder in folders:
        if not (folder / PACKAGE).is_file():
            way_out = "Name a checkout of this repository: git worktree add ../before HEAD~1 makes one."
            yield Problem(f"{folder}: holds no {PACKAGE.as_posix()}", way_out)
    names = [folder.resolve().name for folder in folders] + [THIS]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(f"{name}: names two versions", "Give their folders different names.")


def measured(plan: Plan) -> list[str]:
    """Every version's median seconds and peak memory, and the time of the last beside that of each other one."""
    side = partial(own_unit, plan.task.name, plan.call, plan.precision)
    rules = Rules(plan.rounds, Terms(plan.call.threads, plan.call.device), plan.task.together)
    title = f"{plan.task.name} {plan.precision}"
    rounds = contest(title, dict.fromkeys(plan.sources, side), rules, plan.sources)
    return [title, *(_line(name, rounds) for name in plan.sources)]


def own_unit(name: str, call: Call, precision: Precision) -> Unit:
    """Our side of the task `name`, of the version of `unpaired` that the process which calls this imports."""
    task = catalogue(call.device)[name]
    assert isinstance(task, OwnTask)
    return task.own(call, precision)()


def _line(name: str, rounds: Sequence[Round]) -> str:
    text = f"  {name}: {median_seconds(rounds, name):.4g} s, {peak_mib(rounds, name):,.0f} MiB"
    if name == THIS:
        return text
    share = Spread.of(one[THIS].seconds / one[name].seconds for one in rounds)
    return f"{text}; {THIS} takes {spread(share)} of its time"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.versions",
        description="Time and memory of a task in other checkouts of this repository and in this one, in turn.",
    )
    parser.add_argument("checkouts", type=Path, nargs="+", help="folders of other checkouts, such as git worktrees")
    parser.add_argument("--only", required=True, help="the task: see python -m benchmarks.speed --help")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    add_flags(parser, rounds=8)
    return parser
