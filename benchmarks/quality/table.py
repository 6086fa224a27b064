"""The quality table as Markdown, from the reports that `run.py` left: one line a training.

python benchmarks/quality/table.py RESULTS
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
    "distance_best": "best of 10",
    "distance_mean": "mean",
    "diversity": "diversity",
    "edge_agreement": "edge F1",
}


def reports(results: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each report measured, with the name of its training and of its weights."""
    for path in sorted(results.glob("*/measured-*/metrics.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        for result in report["results"]:
            yield f"{path.parent.parent.name}, {path.parent.name.removeprefix('measured-')}", result


def cell(measurement: dict[str, Any] | None) -> str:
    """The number with its interval."""
    if measurement is None:
        return ""
    low, high = measurement["low"], measurement["high"]
    interval = "" if low is None else f" [{low:.3g}, {high:.3g}]"
    return f"{measurement['value']:.3g}{interval}"


def table(results: Path) -> str:
    """All reports below `results` as a Markdown table."""
    lines = [f"| training, weights | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, result in reports(results):
        found = {measurement["name"]: measurement for measurement in result["measurements"]}
        lines.append(f"| {name} | {' | '.join(cell(found.get(column)) for column in COLUMNS)} |")
    return "\n".join(lines) + "\n"


def write_table(results: Path) -> None:
    """Write the table to `table.md` in `results`."""
    (results / "table.md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
