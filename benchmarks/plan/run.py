"""Compare what `unpaired train --dry-run` says about memory and time with real training steps on this CPU.

python benchmarks/plan/run.py                                 prints the table of README.md
python benchmarks/plan/run.py "munit, bf16" "ugatit-light"    prints these rows of it
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unpaired.config import RunConfig


@dataclass(frozen=True)
class Case:
    """A run to plan: a preset at a square size in pixels, with a batch size, and how it computes."""

    preset: str
    size: int
    batch_size: int = 1
    precision: str = "fp32"
    less_memory: bool = False
    recompute: bool = False


CASES = {
    "demo, batch 8": Case("demo", 32, 8),
    "munit-small": Case("munit-small", 64, 4),
    "munit-small, bf16": Case("munit-small", 64, 4, "bf16"),
    "munit-small, batch 16": Case("munit-small", 64, 16),
    "munit-fast": Case("munit-fast", 64, 4),
    "munit-fast, bf16": Case("munit-fast", 64, 4, "bf16"),
    "munit-64": Case("munit-64", 64),
    "munit-64, bf16": Case("munit-64", 64, precision="bf16"),
    "munit-128": Case("munit-128", 128),
    "munit-128, bf16": Case("munit-128", 128, precision="bf16"),
    "munit-128, recompute": Case("munit-128", 128, recompute=True),
    "munit": Case("munit", 256),
    "munit, bf16": Case("munit", 256, precision="bf16"),
    "munit, less memory": Case("munit", 256, less_memory=True),
    "munit, recompute": Case("munit", 256, recompute=True),
    "ugatit-small": Case("ugatit-small", 64),
    "ugatit-small, bf16": Case("ugatit-small", 64, precision="bf16"),
    "ugatit-light-128": Case("ugatit-light-128", 128),
    "ugatit-light-128, bf16": Case("ugatit-light-128", 128, precision="bf16"),
    "ugatit-light-128, recompute": Case("ugatit-light-128", 128, recompute=True),
    "ugatit-light": Case("ugatit-light", 256),
    "ugatit-light, bf16": Case("ugatit-light", 256, precision="bf16"),
    "ugatit-light, less memory": Case("ugatit-light", 256, less_memory=True),
    "ugatit-light, recompute": Case("ugatit-light", 256, recompute=True),
}
MEASURED_STEPS = 3


@dataclass(frozen=True)
class Need:
    """Memory of the process in MiB, the time of a step in seconds, and the machine's speed meanwhile in GFLOP/s."""

    mib: float
    seconds: float
    gflops: float


def planned(case: str) -> Need:
    """What the plan says. Run in a process of its own: it starts from the memory that its process has."""
    from unpaired.data.folders import PictureFolders
    from unpaired.training.engine import Engine
    from unpaired.training.plan import make_plan

    config = config_of(case)
    nothing = tuple(Path(f"{number}.png") for number in range(2))
    plan = make_plan(config, PictureFolders(nothing, nothing), Path("run"), Engine("cpu", config.precision))
    return Need(plan.total_memory / 2**20, plan.seconds_per_step or float("nan"), machine_speed())


def measured(case: str) -> Need:
    """What some steps take, in a process of their own: its peak can only grow."""
    import torch

    import unpaired.training.loop  # noqa: F401  a run has all that it imports in memory
    from unpaired.models.base import Batch
    from unpaired.training.engine import Engine
    from unpaired.training.memory import memory_mib
    from unpaired.training.state import TrainState
    from unpaired.training.step import train_step

    config = config_of(case)
    state = TrainState(config, Engine("cpu", config.precision))
    shape = (config.batch_size, 3, *config.data.size)
    train_step(state, Batch(torch.rand(shape), torch.rand(shape)))
    speed = machine_speed()
    times = []
    for _ in range(MEASURED_STEPS):
        start = time.perf_counter()
        train_step(state, Batch(torch.rand(shape), torch.rand(shape)))
        times.append(time.perf_counter() - start)
    return Need(memory_mib(torch.device("cpu")), statistics.median(times), (speed + machine_speed()) / 2)


def machine_speed() -> float:
    """GFLOP/s of a matrix product right now: how much of the machine others leave."""
    import torch

    x = torch.rand(1024, 1024)
    start = time.perf_counter()
    for _ in range(10):
        x @ x
    return 10 * 2 * 1024**3 / (time.perf_counter() - start) / 1e9


def config_of(case: str) -> RunConfig:
    """The run config of `case`."""
    from unpaired.presets import PRESETS

    found = CASES[case]
    config = PRESETS[found.preset]()
    data = replace(config.data, size=(found.size, found.size))
    config = replace(config, data=data, batch_size=found.batch_size, precision=found.precision)
    savings = {"less_memory": found.less_memory, "recompute": found.recompute}
    return replace(config, **savings, device="cpu", self_check=False)


def in_own_process(function: str, case: str) -> Need:
    """What `function` finds for `case`."""
    call = [sys.executable, "-W", "ignore", __file__, function, case]
    return Need(**json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    """Print one row a case: all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one of: {'; '.join(CASES)}")
    cases = parser.parse_args().cases
    if unknown := [case for case in cases if case not in CASES]:
        parser.error(f"there is no case {', '.join(unknown)}: choose of {'; '.join(CASES)}")
    print("| case | MiB planned | MiB measured | off | s a step planned | s measured | off | machine |")
    print("|---|---|---|---|---|---|---|---|")
    for case in cases or CASES:
        plan, real = in_own_process("planned", case), in_own_process("measured", case)
        memory = f"{plan.mib:,.0f} | {real.mib:,.0f} | {plan.mib / real.mib - 1:+.0%}"
        times = f"{plan.seconds:.2f} | {real.seconds:.2f} | {plan.seconds / real.seconds - 1:+.0%}"
        print(f"| {case} | {memory} | {times} | {real.gflops / plan.gflops - 1:+.0%} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] in (["planned"], ["measured"]):
        need = {"planned": planned, "measured": measured}[sys.argv[1]](sys.argv[2])
        print(json.dumps(need.__dict__))
    else:
        main()
