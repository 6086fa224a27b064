"""Seconds of a training step: the reference MUNIT code and our presets, in turn, in one process.

python benchmarks/quality/step_time.py --reference MUNIT --config config.yaml [--presets munit-small munit-fast]

MUNIT is a clone of the reference's repository. Its trainer is run as it is, on the CPU: calls of .cuda() do nothing,
and the reader of Torch 7 files, which no torch has any more and no step needs, is left out. Steps alternate: one of
each side, round after round, so that a busy machine is as slow for all. Ratios are to the reference's step of the same
round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

Step = Callable[[], object]


def reference_step(code: Path, config: Path, batch_size: int, size: int) -> Step:
    """One update of the discriminators and of the generators, as the reference's train.py calls them."""
    missing = types.ModuleType("torch.utils.serialization")
    missing.load_lua = None
    sys.modules["torch.utils.serialization"] = missing
    torch.Tensor.cuda = lambda self, *_args, **_kwargs: self
    sys.path.insert(0, str(code))
    from trainer import MUNIT_Trainer

    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    trainer = MUNIT_Trainer(settings)
    x_a, x_b = pictures(batch_size, size)

    def step() -> None:
        trainer.dis_update(x_a, x_b, settings)
        trainer.gen_update(x_a, x_b, settings)

    return step


def our_step(preset: str, batch_size: int, size: int) -> Step:
    """One step of `preset`, with the moving average."""
    from unpaired.models.base import Batch
    from unpaired.presets import PRESETS
    from unpaired.training.engine import Engine
    from unpaired.training.state import TrainState
    from unpaired.training.step import train_step

    state = TrainState(PRESETS[preset](), Engine("cpu", "fp32"))
    batch = Batch(*pictures(batch_size, size))
    return lambda: train_step(state, batch)


def pictures(batch_size: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise in the place of pictures of both domains: a step takes as long."""
    rng = torch.Generator().manual_seed(0)
    x_a, x_b = (torch.rand(batch_size, 3, size, size, generator=rng) * 2 - 1 for _ in "ab")
    return x_a, x_b


def seconds(step: Step) -> float:
    """How long `step` takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Warm up, alternate, print medians and ratios."""
    args = arguments()
    torch.set_num_threads(args.threads)
    sides = {"reference": reference_step(args.reference, args.config, args.batch, args.size)}
    sides |= {preset: our_step(preset, args.batch, args.size) for preset in args.presets}
    for step in sides.values():
        step()
    rounds = [{name: seconds(step) for name, step in sides.items()} for _ in range(args.rounds)]
    print(
        f"torch {torch.__version__}, {args.threads} threads, batch {args.batch}, {args.size} px, {args.rounds} rounds"
    )
    for name in sides:
        ratios = sorted(one["reference"] / one[name] for one in rounds)
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        median = statistics.median(one[name] for one in rounds)
        print(f"{name:12s} {median:.3f} s; {statistics.median(ratios):.2f} times as fast [{low:.2f}, {high:.2f}]")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", default=["munit-small", "munit-fast"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
