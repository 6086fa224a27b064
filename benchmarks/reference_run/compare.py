"""Puts a run of ours beside the reference code's run on the same pictures with the same settings.

Usage: python benchmarks/reference_run/compare.py RUN DATA_DIR REFERENCE_LOSSES.csv OUT

Writes OUT/losses.png (total losses of both codes over the steps) and OUT/grid.png (rows: input, truth, four random
styles of our last raw weights; every 22nd test picture), and prints a table of the totals.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import unpaired
from unpaired.training.logs import read_metrics

WINDOW_STEPS = 300
EVERY_NTH_INPUT = 22
NUM_STYLES = 4
CELL_PX = 64
Curve = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Write both pictures and print the table."""
    run, data, reference, out = (Path(argument) for argument in sys.argv[1:5])
    out.mkdir(parents=True, exist_ok=True)
    ours, theirs = our_losses(run), reference_losses(reference)
    plot(ours, theirs, out / "losses.png")
    grid(run, data).save(out / "grid.png")
    print(table(ours, theirs))


def our_losses(run: Path) -> dict[str, Curve]:
    """Total losses by network: steps and values."""
    records = list(read_metrics(run / "metrics.jsonl"))
    steps = np.array([record["step"] for record in records])
    return {name: (steps, np.array([r[f"loss_{name}"] for r in records])) for name in ("discriminator", "generator")}


def reference_losses(path: Path) -> dict[str, Curve]:
    """The reference's total losses, as `our_losses`."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = np.array([int(row["step"]) for row in rows])
    columns = {"discriminator": "loss_dis_total", "generator": "loss_gen_total"}
    return {name: (steps, np.array([float(row[column]) for row in rows])) for name, column in columns.items()}


def window_mean(curve: Curve, step: int) -> float:
    """Mean of the values in the WINDOW_STEPS before `step`."""
    steps, values = curve
    return float(values[(steps > step - WINDOW_STEPS) & (steps <= step)].mean())


def plot(ours: dict[str, Curve], theirs: dict[str, Curve], path: Path) -> None:
    """Draw both codes' total losses, each value faint and the running mean strong."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    for axis, name in zip(axes, ours, strict=True):
        for label, curve, colour in (("reference", theirs[name], "tab:gray"), ("unpaired", ours[name], "tab:blue")):
            axis.plot(*curve, color=colour, alpha=0.25, linewidth=1)
            last = int(curve[0][-1])
            steps = np.arange(WINDOW_STEPS, last + 1, 50)
            axis.plot(steps, [window_mean(curve, s) for s in steps], color=colour, label=label)
        axis.set(title=f"{name} total", xlabel="step", ylim=(0, 1.5 * window_mean(ours[name], 500)))
        axis.legend()
    figure.savefig(path, dpi=90)


def grid(run: Path, data: Path) -> Image.Image:
    """Inputs, truth, and translations in the same random styles, one input a column."""
    translator = unpaired.load(run, raw=True)
    inputs = sorted((data / "testA").iterdir())[::EVERY_NTH_INPUT]
    sheet = Image.new("RGB", (len(inputs) * CELL_PX, (2 + NUM_STYLES) * CELL_PX), "white")
    for column, path in enumerate(inputs):
        translated = translator.translate(path, to="b", num_styles=NUM_STYLES, seed=1)
        for row, picture in enumerate((Image.open(path), Image.open(data / "testB" / path.name), *translated)):
            sheet.paste(picture.convert("RGB"), (column * CELL_PX, row * CELL_PX))
    return sheet


def table(ours: dict[str, Curve], theirs: dict[str, Curve]) -> str:
    """Both codes' total losses at some steps, as Markdown."""
    rows = [
        f"| mean of {WINDOW_STEPS} steps up to | D reference | D unpaired | G reference | G unpaired |",
        "|---|---|---|---|---|",
    ]
    for step in (500, 1000, 1500, 2000, 2500, 3000):
        cells = [f"{window_mean(side[name], step):.2f}" for name in ours for side in (theirs, ours)]
        rows.append(f"| {step:,} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
