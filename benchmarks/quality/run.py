"""Train rows of the quality table on one data set, measure each, and write the table.

python benchmarks/quality/run.py DATA --rows faithful fast --seeds 0 1 2 --steps 3000 --out results

DATA holds trainA, trainB, testA and testB, with equal names in both test folders. Every row of `rows.py` is trained
with the same number of steps, in OUT/ROW-sSEED, and measured with its last weights and with their moving average.
What is there already is not trained or measured again: an interrupted call is simply repeated. To measure pictures or
models that others made beside them, name them: `--also reference=FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rows import ROWS, Row
from table import METRICS, write_table

TIMES = "wall_time.json"


def train(row: Row, data: Path, out: Path, *, steps: int, seed: int) -> None:
    """Train `row`, unless it is trained already. Its seconds, with sample grids and saving, go into a file beside it."""
    import unpaired

    if (out / TIMES).is_file():
        return
    settings = {
        **row.settings,
        "steps": steps,
        "seed": seed,
        "samples.every_steps": steps,
        "checkpoints.snapshot_every_steps": 1000,
        "checkpoints.keep": 100,
    }
    start = time.monotonic()
    unpaired.train(data, preset=row.preset, settings=settings, out=out)
    record = {"seconds": time.monotonic() - start, "steps": steps, "machine": machine()}
    (out / TIMES).write_text(json.dumps(record), encoding="utf-8")


def machine() -> str:
    """The processor, how many of its cores torch uses, and the version of torch."""
    import torch

    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def measure(model: Path, data: Path, out: Path, *, raw: bool, num_inputs: int | None) -> None:
    """Write the report of one model into `out`, unless it is there already."""
    import unpaired

    if (out / "metrics.json").is_file():
        return
    unpaired.evaluate(
        model,
        data=data,
        metrics=METRICS,
        to="b",
        num_styles=10,
        num_inputs=num_inputs,
        raw=raw,
        baselines=False,
        out=out,
    )


def jobs(args: argparse.Namespace) -> Iterator[tuple[str, int, Path]]:
    """Row, seed and run folder of every training, seed by seed, so that a first table is there early."""
    for seed in args.seeds:
        for row in args.rows:
            yield row, seed, args.out / f"{row}-s{seed}"


def main() -> None:
    """Train, measure, write the table after each."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, path in args.also.items():
        measure(path, args.data, args.out / f"{name}-measured", raw=True, num_inputs=args.inputs)
    for row, seed, folder in jobs(args):
        train(ROWS[row], args.data, folder, steps=args.steps, seed=seed)
        for raw in (True, False):
            weights = "last" if raw else "average"
            measure(folder, args.data, folder / f"measured-{weights}", raw=raw, num_inputs=args.inputs)
        write_table(args.out)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--inputs", type=int, default=None, help="held-out pictures to measure on (all)")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=PATH", help="models or folders of translations")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    args = parser.parse_args()
    args.also = {name: Path(path) for name, _, path in (text.partition("=") for text in args.also)}
    return args


if __name__ == "__main__":
    main()
