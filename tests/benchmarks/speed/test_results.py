"""The table, the drawing and the files of a run."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.speed.catalogue import catalogue
from benchmarks.speed.cli import write_results
from benchmarks.speed.machine import describe, other_machine_problem
from benchmarks.speed.plot import plot
from benchmarks.speed.records import Record, Spread
from benchmarks.speed.table import HEADER, line, table
from benchmarks.speed.tasks import Call

TRAINING = Record(
    task="train-munit-64",
    model="munit",
    size=64,
    batch=1,
    precision="bf16",
    ours_s=0.5,
    reference_s=1.5,
    ratio=Spread(3.0, 2.5, 3.5),
    ours_peak_mib=600.0,
    reference_peak_mib=1200.0,
    needed_gmac=47.1,
    share_of_peak=0.61,
    rounds=3,
    commit="abc1234",
)
STARTUP = Record(task="startup", model="munit", size=256, batch=1, precision="fp32", ours_s=2.2)


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, Any]:
    return describe(Call(None, None, ("fp32",), "cpu", 2, tmp_path))


class TestTable:
    def test_every_row_has_a_cell_for_each_column(self, machine: dict[str, Any]) -> None:
        rows = [row for row in table([TRAINING, STARTUP], machine).splitlines() if row.startswith("|")]
        assert "\n".join(rows[:2]) == HEADER
        assert {row.count("|") for row in rows} == {14}

    def test_a_row_says_the_ratio_with_its_spread_and_the_shares(self, machine: dict[str, Any]) -> None:
        row = table([TRAINING], machine).splitlines()[-1]
        assert "| 3.00 [2.50, 3.50] | 1,200 | 600 | 50% | 47.1 | 61% | 3 | abc1234 |" in row

    def test_conditions_are_named(self, machine: dict[str, Any]) -> None:
        machine["product_gflops"]["fp32"] = 170.4
        first = table([], machine).splitlines()[0]
        for part in ("2 threads", "170 GFLOP/s in fp32", machine["processor"]):
            assert part in first

    def test_a_line_in_words(self) -> None:
        assert line(STARTUP) == "startup fp32: 2.2 s"
        assert "reference 1.5 s, 3.00 [2.50, 3.50] times as fast; 600 of 1,200 MiB (50%)" in line(TRAINING)


class TestPlot:
    def test_it_is_a_drawing_with_a_bar_for_each_comparison(self) -> None:
        root = ElementTree.fromstring(plot([TRAINING, STARTUP]))
        labels = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert labels[1:] == ["train-munit-64 bf16", "3.00"]

    def test_a_bar_twice_as_fast_is_twice_as_long(self) -> None:
        slow = Record(**{**TRAINING.__dict__, "precision": "fp32", "ratio": Spread(1.5, 1.5, 1.5)})
        root = ElementTree.fromstring(plot([TRAINING, slow]))
        widths = [float(bar.get("width") or 0) for bar in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
        assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)

    def test_without_comparisons_it_is_still_a_drawing(self) -> None:
        assert ElementTree.fromstring(plot([])).tag.endswith("svg")

    @pytest.mark.parametrize("task", catalogue("cpu"))
    def test_there_is_room_for_every_label(self, task: str) -> None:
        root = ElementTree.fromstring(plot([replace(TRAINING, task=task)]))
        (label,) = (text for text in root.iter() if text.text == f"{task} bf16")
        assert float(label.attrib["x"]) > 6.8 * len(label.text or ""), "a letter of 12 px is that wide or less"


class TestFiles:
    def test_all_are_written_and_other_records_stay(self, tmp_path: Path, machine: dict[str, Any]) -> None:
        write_results(tmp_path, [TRAINING], machine)
        write_results(tmp_path, [STARTUP], machine)
        assert {path.name for path in tmp_path.iterdir()} == {"speed.json", "machine.json", "table.md", "speed.svg"}
        assert [r["task"] for r in json.loads((tmp_path / "speed.json").read_text())] == ["train-munit-64", "startup"]
        assert "startup" in (tmp_path / "table.md").read_text()

    def test_products_that_an_earlier_call_measured_stay(self, tmp_path: Path, machine: dict[str, Any]) -> None:
        for precision, speed in (("fp32", 170.0), ("bf16", 300.0), ("fp32", 180.0)):
            write_results(tmp_path, [TRAINING], {**machine, "product_gflops": {precision: speed}})
        assert json.loads((tmp_path / "machine.json").read_text())["product_gflops"] == {"fp32": 180.0, "bf16": 300.0}

    def test_commits_that_an_earlier_call_needed_stay(self, tmp_path: Path, machine: dict[str, Any]) -> None:
        for commits in ({"munit": "1", "ugatit": "2"}, {"munit": "3", "ugatit": None}):
            write_results(tmp_path, [TRAINING], {**machine, "commits": {**machine["commits"], **commits}})
        found = json.loads((tmp_path / "machine.json").read_text())["commits"]
        assert (found["munit"], found["ugatit"]) == ("3", "2")

    def test_results_of_another_machine_are_not_mixed(self, tmp_path: Path, machine: dict[str, Any]) -> None:
        write_results(tmp_path, [TRAINING], machine)
        assert other_machine_problem(tmp_path / "machine.json", machine) is None
        problem = other_machine_problem(tmp_path / "machine.json", {**machine, "threads": 7})
        assert problem is not None
        assert "threads 2, now 7" in problem.message
