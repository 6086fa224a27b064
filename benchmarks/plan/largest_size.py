"""How large pictures can be trained on with so much memory, by the estimates of `unpaired train --dry-run`.

python benchmarks/plan/largest_size.py                      prints the table of docs/training.md
python benchmarks/plan/largest_size.py --set model.weights.cycle=10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch

from unpaired.config import RunConfig, overrides_of
from unpaired.config import override as overridden
from unpaired.errors import raise_if_any
from unpaired.models.base import Batch
from unpaired.presets import PRESETS
from unpaired.training.engine import Engine
from unpaired.training.footprint import count_step, method_without_content, whole_faces
from unpaired.training.plan import CUDA_LIBRARIES_BYTES, WORKING_SHARE, tensor_bytes
from unpaired.training.state import TrainState
from unpaired.training.step import train_step
from unpaired.training.trial import Measured, Trial

MODELS = {"MUNIT": "munit", "U-GAT-IT light": "ugatit-light"}
PRECISIONS = ("fp32", "bf16")
SAVINGS = ((), ("less_memory",), ("less_memory", "recompute"))
COUNTED_SIDES = (256, 320)  # pixels; larger ones lie on the line through these; smaller ones are computed otherwise
STEP_PX = 32
LARGEST_SIDE = 4096
GIB = 2**30


def largest_sides(config: RunConfig, memories: Sequence[int]) -> list[int]:
    """The largest side in pixels, a multiple of `STEP_PX`, of square pictures that fit into each of `memories` GiB."""
    kept = sum(tensor_bytes(config, method_without_content(config.model)).values()) + CUDA_LIBRARIES_BYTES
    trial = counted(config)
    sides = range(COUNTED_SIDES[-1], LARGEST_SIDE + 1, STEP_PX)
    needed = {side: kept + (1 + WORKING_SHARE) * trial.num_bytes(side**2) for side in sides}
    return [max((side for side in sides if needed[side] <= memory * GIB), default=0) for memory in memories]


def counted(config: RunConfig) -> Trial:
    """What steps with one picture of each domain take, for each of `COUNTED_SIDES`. Their time is not measured."""
    state = TrainState(config, Engine("cpu", config.precision))
    batches = [Batch(*(torch.rand(1, 3, side, side) * 2 - 1 for _ in "ab")) for side in COUNTED_SIDES]
    train_step(state, batches[0], whole_faces(batches[0]))  # Adam makes its moments
    return Trial(
        [Measured(side**2, (), count_step(state, batch)) for side, batch in zip(COUNTED_SIDES, batches, strict=True)]
    )


def config_of(preset: str, precision: str, sets: Sequence[str]) -> RunConfig:
    """The config of `preset` with the settings that were given."""
    found, problems = overrides_of(sets=sets)
    config, problems = overridden(replace(PRESETS[preset](), precision=precision), found, problems)
    raise_if_any(problems)
    return config


def main() -> None:
    """Print one row for each model and precision, with each way to save memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, nargs="+", default=[4, 8, 16, 24, 40, 80], metavar="GIB")
    parser.add_argument("--precision", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--set", action="append", default=[], metavar="SETTING", help="as in unpaired train")
    call = parser.parse_args()
    print(f"| model | precision | | {' | '.join(f'{memory} GiB' for memory in call.memory)} |")
    print(f"|---|---|---|{'---|' * len(call.memory)}")
    for (model, preset), precision, savings in product(MODELS.items(), call.precision, SAVINGS):
        config = replace(config_of(preset, precision, call.set), **dict.fromkeys(savings, True))
        sides = " | ".join(f"{side:,} px" for side in largest_sides(config, call.memory))
        flags = " ".join(f"`--{saving.replace('_', '-')}`" for saving in savings)
        print(f"| {model} | {precision} | {flags} | {sides} |", flush=True)


if __name__ == "__main__":
    main()
