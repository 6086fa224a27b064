"""Train rows of the quality table on one data set, measure each, and write the table.

python benchmarks/quality/run.py DATA --rows faithful fast --seeds 0 1 2 --steps 3000 --out results

DATA holds trainA, trainB, testA and testB, with equal names in both test folders. Every row of `rows.py` is trained
with the same number of steps, in OUT/ROW-sSEED, and measured with its last weights and with their moving average; the
reports beside it hold the grids. What is there already is not made again: a call that was interrupted is simply
repeated. `--also reference=FOLDER` measures models, or folders of translations, that were made elsewhere.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import torch
from rows import ROWS, Row
from table import METRICS, table, write_table

import unpaired

TIME_FILE = "wall_time.json"


def train(row: Row, data: Path, folder: Path, *, steps: int, seed: int) -> None:
    """Train `row` in `folder`, unless that is done. Its seconds, with grids and saving, go into a file beside it."""
    if (folder / TIME_FILE).is_file():
        return
    settings = {**row.settings, "steps": steps, "seed": seed, "checkpoints.snapshot_every_steps": 1000}
    start = time.monotonic()
    unpaired.train(data, preset=row.preset, settings=settings, out=folder)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    record = {"row": row.about, "seconds": round(time.monotonic() - start), "steps": steps, "machine": machine}
    (folder / TIME_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def measure(model: Path, data: Path, out: Path, *, raw: bool, num_inputs: int | None) -> None:
    """Write the report of `model` to `out`, unless it is there."""
    if not (out / "metrics.json").is_file():
        unpaired.evaluate(
            model, data=data, to="b", metrics=METRICS, num_inputs=num_inputs, raw=raw, baselines=False, out=out
        )


def main() -> None:
    """Train and measure seed by seed, so that a first table is there early."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, _, path in (text.partition("=") for text in args.also):
        measure(Path(path), args.data, args.out / name / "measured-as-it-is", raw=False, num_inputs=args.inputs)
    for seed in args.seeds:
        for name in args.rows:
            folder = args.out / f"{name}-s{seed}"
            train(ROWS[name], args.data, folder, steps=args.steps, seed=seed)
            for weights, raw in (("last", True), ("average", False)):
                measure(folder, args.data, folder / f"measured-{weights}", raw=raw, num_inputs=args.inputs)
            write_table(args.out)
    print(table(args.out))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["faithful", "fast"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--inputs", type=int, help="measure on so many held-out pictures; all if not given")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
