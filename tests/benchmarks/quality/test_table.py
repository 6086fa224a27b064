from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.quality.table import TIME_FILE, cell, table, write_table


def measured(name: str, value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    plain = {"name": name, "label": name, "value": value, "low": low, "high": high, "recipe": {"inputs": 4}}
    return {**plain, "pictures": ["x"], "per_picture": [value]}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    found = {
        "fast-s0": {"fast-s0": [measured("kid", 123.45, 120.2, 126.7), measured("edge_agreement", 0.4321)]},
        "reference": {"pictures": [measured("kid", 264.2, 247, 280)], "imported": [measured("kid", 264)]},
    }
    for training, models in found.items():
        folder = tmp_path / training / "measured-last"
        folder.mkdir(parents=True)
        report = {"results": [{"name": n, "num_styles": {"a→b": 10}, "measurements": m} for n, m in models.items()]}
        (folder / "metrics.json").write_text(json.dumps(report), encoding="utf-8")
    made = {"seconds": 600, "cpu_seconds": 480, "code": "abc1234"}
    (tmp_path / "fast-s0" / TIME_FILE).write_text(json.dumps(made), encoding="utf-8")
    return tmp_path


def test_a_line_a_report_with_time_and_code_where_they_are_known(results: Path) -> None:
    lines = table(results).splitlines()
    assert lines[2:] == [
        "| fast-s0, last | 123 [120, 127] |  |  |  | 0.432 | 10 (8) | abc1234 |",
        "| reference (pictures), last | 264 [247, 280] |  |  |  |  |  |  |",
        "| reference (imported), last | 264 |  |  |  |  |  |  |",
    ]
    assert len({line.count("|") for line in lines}) == 1


def test_the_numbers_are_kept_without_those_of_single_pictures(results: Path) -> None:
    write_table(results)
    assert (results / "table.md").read_text(encoding="utf-8") == table(results)
    fast, *_ = json.loads((results / "results.json").read_text(encoding="utf-8"))
    assert (fast["training"], fast["model"], fast["weights"]) == ("fast-s0", "fast-s0", "last")
    assert fast["styles"] == {"a→b": 10}
    assert fast["made"]["code"] == "abc1234"
    assert fast["measurements"]["kid"]["high"] == 126.7
    assert "per_picture" not in fast["measurements"]["kid"]


def test_an_interval_that_is_not_known_is_not_shown() -> None:
    assert cell(measured("fid", 12.0)) == "12"
    assert cell(None) == ""
