"""The quality table as Markdown, from the reports that `run.py` left: one line a training and kind of weights.

python -m benchmarks.quality.table RESULTS

Beside it the same numbers are collected in `results.json`, without the value of every picture.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

METRICS = ("kid", "pairs", "diversity", "edges")
COLUMNS = {
    "kid": "KID ×1e3",
    "distance_best": "best of styles",
    "distance_mean": "mean",
    "diversity": "diversity",
    "edge_agreement": "edge F1",
}
TIME_FILE = "wall_time.json"
KEPT = ("name", "label", "value", "low", "high", "recipe")


def rows(results: Path) -> Iterator[dict[str, Any]]:
    """What is known of each thing that was measured below `results`: how it was made, and its measurements by name."""
    for path in sorted(results.glob("*/measured-*/metrics.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        time_file = path.parent.parent / TIME_FILE
        made = json.loads(time_file.read_text(encoding="utf-8")) if time_file.is_file() else {}
        for result in report["results"]:
            yield {
                "training": path.parent.parent.name,
                "weights": path.parent.name.removeprefix("measured-"),
                "model": result["name"],
                "made": made,
                "styles": result["num_styles"],
                "measurements": {m["name"]: {key: m[key] for key in KEPT} for m in result["measurements"]},
            }


def cell(measurement: dict[str, Any] | None) -> str:
    """The number with its interval."""
    if measurement is None:
        return ""
    low, high = measurement["low"], measurement["high"]
    interval = "" if low is None else f" [{low:.3g}, {high:.3g}]"
    return f"{measurement['value']:.3g}{interval}"


def minutes(made: dict[str, Any]) -> str:
    """How long a training took by the clock and, in brackets where it is known, of the processor's time."""
    cpu = f" ({made['cpu_seconds'] / 60:.0f})" if "cpu_seconds" in made else ""
    return f"{made['seconds'] / 60:.0f}{cpu}"


def table(results: Path) -> str:
    """All reports below `results` as a Markdown table."""
    heads = ["training, weights", *COLUMNS.values(), "minutes (of CPU)", "code"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows(results):
        made = row["made"]
        cells = [cell(row["measurements"].get(column)) for column in COLUMNS]
        cells += [minutes(made) if made else "", made.get("code", "")]
        name = row["training"] if row["model"] == row["training"] else f"{row['training']} ({row['model']})"
        lines.append(f"| {name}, {row['weights']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_table(results: Path) -> None:
    """Write the table to `table.md` in `results`, and its numbers to `results.json`."""
    (results / "table.md").write_text(table(results), encoding="utf-8")
    (results / "results.json").write_text(json.dumps(list(rows(results)), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
    print(table(Path(sys.argv[1])))
