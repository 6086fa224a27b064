"""The command: what is asked for, all that is wrong with it, the measurements, the files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.speed.catalogue import catalogue, chosen
from benchmarks.speed.command import PRECISIONS, add_flags, exit_code_of, flag_problems
from benchmarks.speed.comparison import giga_flops
from benchmarks.speed.contest import Rules, contest
from benchmarks.speed.machine import describe, other_machine_problem
from benchmarks.speed.plot import plot
from benchmarks.speed.records import Record, merged, read_records, write_records
from benchmarks.speed.table import line, table
from benchmarks.speed.tasks import Call, Task
from benchmarks.speed.worker import Terms

from unpaired.errors import Problem, did_you_mean, raise_if_any

KNOWN_BY = {"munit": "trainer.py", "ugatit": "UGATIT.py"}
"""A file that a clone of each reference code has."""
ADDRESSES = {
    "munit": "https://github.com/NVlabs/MUNIT",
    "ugatit": "https://github.com/znxlwm/UGATIT-pytorch",
}


@dataclass(frozen=True)
class Plan:
    """A call that can start."""

    call: Call
    tasks: tuple[Task, ...]
    rounds: int
    out: Path | None


def main(words: Sequence[str]) -> int:
    """Measure what `words` ask for; returns the exit code."""
    return exit_code_of(lambda folder: _run(planned(words, folder)))


def planned(words: Sequence[str], workspace: Path) -> Plan:
    """What `words` ask for. Raises one `UsageError` with everything that is wrong."""
    options = _parser().parse_args(words)
    call = Call(
        munit=options.munit,
        ugatit=options.ugatit,
        precisions=tuple(options.precision.split(",")),
        device=options.device,
        threads=options.threads,
        workspace=workspace,
    )
    names = options.only.split(",") if options.only else []
    tasks, problems = chosen(catalogue(call.device), names)
    raise_if_any([*problems, *flag_problems(options), *_precision_problems(call), *_clone_problems(call, tasks)])
    return Plan(call, tuple(tasks), options.rounds, options.out)


def _run(plan: Plan) -> None:
    """Measure task after task; the files are written after each, so that an interrupted run keeps what it has."""
    machine = describe(plan.call)
    if plan.out is not None and (problem := other_machine_problem(plan.out / "machine.json", machine)):
        raise_if_any([problem])
    for task in plan.tasks:
        rules = Rules(plan.rounds, Terms(plan.call.threads, plan.call.device), task.together)
        rounds = contest(task.name, task.contenders(plan.call), rules)
        machine["product_gflops"] |= giga_flops(rounds, plan.call.device)
        commit = machine["commits"]["unpaired"]
        records = [replace(each, rounds=plan.rounds, commit=commit) for each in task.records(plan.call, rounds)]
        for record in records:
            print(line(record), flush=True)
        if plan.out is not None:
            write_results(plan.out, records, machine)


def write_results(out: Path, new: Sequence[Record], machine: dict[str, Any]) -> None:
    """Write `speed.json`, `machine.json`, `table.md` and `speed.svg` into `out`; other records there are kept."""
    out.mkdir(parents=True, exist_ok=True)
    machine = with_what_was_known(machine, out / "machine.json")
    records = merged(read_records(out / "speed.json"), new)
    write_records(out / "speed.json", records)
    (out / "machine.json").write_text(json.dumps(machine, indent=1) + "\n", encoding="utf-8")
    (out / "table.md").write_text(table(records, machine), encoding="utf-8")
    (out / "speed.svg").write_text(plot(records), encoding="utf-8")


def with_what_was_known(machine: dict[str, Any], path: Path) -> dict[str, Any]:
    """`machine` with what earlier calls, written to `path`, knew and this one does not.

    Those are products in another precision, and the commits of codes that this call had no need of.
    """
    if not path.exists():
        return machine
    before = json.loads(path.read_text(encoding="utf-8"))
    commits = {name: commit or before["commits"].get(name) for name, commit in machine["commits"].items()}
    return {**machine, "commits": commits, "product_gflops": {**before["product_gflops"], **machine["product_gflops"]}}


def _precision_problems(call: Call) -> Iterator[Problem]:
    for name in call.precisions:
        if name not in PRECISIONS:
            yield Problem(f"--precision {name}: there is no such precision", did_you_mean(name, PRECISIONS))


def _clone_problems(call: Call, tasks: Sequence[Task]) -> Iterator[Problem]:
    needed = {task.reference for task in tasks}
    for name, file in KNOWN_BY.items():
        path: Path | None = getattr(call, name)
        way_out = f"Name the folder of a clone of {ADDRESSES[name]}"
        if path is None and name in needed:
            first = next(task.name for task in tasks if task.reference == name)
            yield Problem(f"--{name} is missing: {first} needs it", f"{way_out}, or leave such tasks out with --only.")
        elif path is not None and not (path / file).is_file():
            yield Problem(f"--{name} {path}: holds no {file}", f"{way_out}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description="Time and memory of training, translation, data and start-up, in turn with the reference codes.",
        epilog=f"Tasks: {', '.join(catalogue('cpu'))}.",
    )
    parser.add_argument("--munit", type=Path, help=f"clone of {ADDRESSES['munit']}")
    parser.add_argument("--ugatit", type=Path, help=f"clone of {ADDRESSES['ugatit']}")
    parser.add_argument("--out", type=Path, help="folder for speed.json, machine.json, table.md and speed.svg")
    parser.add_argument("--only", default="", help="names of tasks, with commas between (all that fit the device)")
    add_flags(parser, rounds=5)
    parser.add_argument(
        "--precision",
        default=",".join(PRECISIONS),
        help="ours (fp32,bf16); the reference is always fp32. On a CPU, in fp32 the share of the peak may be over "
        "100 %%: Winograd's convolutions multiply less often than what is counted as needed",
    )
    return parser
