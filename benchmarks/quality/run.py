"""Train rows of the quality table on one data set, measure each, and write the table.

python -m benchmarks.quality.run DATA --rows faithful fast --seeds 0 1 2 --steps 3000 --out results

DATA holds trainA, trainB, testA and testB, with equal names in both test folders. Every row of `rows.py` is trained
with the same number of steps, in OUT/ROW-sSEED, and measured with its last weights and with their moving average, of
which `--by-example` measures translations with styles of training pictures too; the reports beside it hold the grids.
What is there already is not made again: a call that was interrupted is simply repeated. `--also reference=FOLDER`
measures models, or folders of translations, that were made elsewhere.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from pathlib import Path

import torch
from benchmarks.quality.rows import ROWS, Row
from benchmarks.quality.table import METRICS, TIME_FILE, table, write_table

import unpaired


def train(row: Row, data: Path, folder: Path, *, steps: int, seed: int) -> None:
    """Train `row` in `folder`, unless that is done. How long it took, with grids and saving, is kept beside it.

    On a machine that does other things too, the seconds of the processor say more than those of the clock.
    """
    if (folder / TIME_FILE).is_file():
        return
    settings = {**row.settings, "steps": steps, "seed": seed, "checkpoints.snapshot_every_steps": 1000}
    code = code_version()  # now: somebody may update the clone meanwhile
    start, start_cpu = time.monotonic(), time.process_time()
    unpaired.train(data, preset=row.preset, settings=settings, out=folder)
    record = {
        "row": row.about,
        "steps": steps,
        "seconds": round(time.monotonic() - start),
        "cpu_seconds": round(time.process_time() - start_cpu),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "code": code,
    }
    (folder / TIME_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def code_version() -> str:
    """The commit of the clone that is run, marked where files differ from it; the version where there is no clone."""
    command = ["git", "-C", str(Path(unpaired.__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return unpaired.__version__


def measure(model: Path, out: Path, args: argparse.Namespace, *, raw: bool = False, by_example: bool = False) -> None:
    """Write the report of `model` to `out`, unless it is there."""
    if not (out / "metrics.json").is_file():
        unpaired.evaluate(
            model,
            data=args.data,
            to="b",
            metrics=args.metrics,
            num_inputs=args.inputs,
            num_styles=args.styles,
            raw=raw,
            by_example=by_example,
            baselines=False,
            out=out,
        )


def main() -> None:
    """Train and measure seed by seed, so that a first table is there early."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, _, path in (text.partition("=") for text in args.also):
        measure(Path(path), args.out / name / "measured-as-it-is", args)
    for seed in args.seeds:
        for name in args.rows:
            folder = args.out / f"{name}-s{seed}"
            train(ROWS[name], args.data, folder, steps=args.steps, seed=seed)
            measure(folder, folder / "measured-last", args, raw=True)
            measure(folder, folder / "measured-average", args)
            if args.by_example:
                measure(folder, folder / "measured-average-by-example", args, by_example=True)
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
    parser.add_argument("--styles", type=int, default=10)
    parser.add_argument("--metrics", nargs="+", default=METRICS, help="leave edges out where inputs are no edge maps")
    parser.add_argument("--by-example", action="store_true", help="measure with styles of training pictures too")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
