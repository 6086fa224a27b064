"""What is written down, and how the numbers of rounds become it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.speed.comparison import Comparison, giga_flops
from benchmarks.speed.matrix_product import macs
from benchmarks.speed.records import Record, Spread, merged, read_records, write_records
from benchmarks.speed.worker import Measured

from unpaired.errors import UserError

ROUNDS = [
    {"reference": Measured(3.0, 100.0), "ours fp32": Measured(1.0, 40.0), "product fp32": Measured(0.5, 9.0)},
    {"reference": Measured(8.0, 120.0), "ours fp32": Measured(2.0, 50.0), "product fp32": Measured(0.5, 9.0)},
    {"reference": Measured(4.0, 120.0), "ours fp32": Measured(2.0, 50.0), "product fp32": Measured(1.0, 9.0)},
]
COMPARISON = Comparison("train-x-64", "x", 64, 2, needed=macs("cpu"), device="cpu")


def a_record(task: str = "train-x-64", precision: str = "fp32", seconds: float = 1.0) -> Record:
    return Record(task=task, model="x", size=64, batch=1, precision=precision, ours_s=seconds)


class TestComparison:
    def test_ratios_are_of_pairs_of_one_round(self) -> None:
        assert COMPARISON.record("fp32", ROUNDS).ratio == Spread(median=3.0, min=2.0, max=4.0)

    def test_seconds_are_medians_and_memory_the_most(self) -> None:
        record = COMPARISON.record("fp32", ROUNDS)
        assert (record.ours_s, record.reference_s) == (2.0, 4.0)
        assert (record.ours_peak_mib, record.reference_peak_mib) == (50.0, 120.0)
        assert record.memory_share == pytest.approx(50 / 120)

    def test_the_share_of_the_peak_is_of_the_product_of_the_same_round(self) -> None:
        """One product's worth of work in 1, 2 and 2 s, while a product takes 0.5, 0.5 and 1 s."""
        assert COMPARISON.record("fp32", ROUNDS).share_of_peak == pytest.approx(0.5)

    def test_the_speed_of_the_product_is_in_giga_flops(self) -> None:
        assert giga_flops(ROUNDS, "cpu") == {"fp32": pytest.approx(2 * 2048**3 / 0.5 / 1e9)}

    def test_without_a_product_there_is_no_speed(self) -> None:
        assert giga_flops([{"pipeline": Measured(1.0, 1.0)}], "cpu") == {}


class TestFiles:
    def test_a_record_holds_what_scripts_read(self, tmp_path: Path) -> None:
        write_records(tmp_path / "speed.json", [COMPARISON.record("fp32", ROUNDS)])
        (plain,) = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
        assert list(plain) == [
            *("task", "model", "size", "batch", "precision", "ours_s", "reference_s", "ratio"),
            *("ours_peak_mib", "reference_peak_mib", "needed_gmac", "share_of_peak", "rounds", "commit"),
        ]
        assert plain["ratio"] == {"median": 3.0, "min": 2.0, "max": 4.0}

    def test_what_was_written_is_read_again(self, tmp_path: Path) -> None:
        records = [COMPARISON.record("fp32", ROUNDS), a_record("startup")]
        write_records(tmp_path / "speed.json", records)
        assert read_records(tmp_path / "speed.json") == records

    def test_no_file_means_no_records(self, tmp_path: Path) -> None:
        assert read_records(tmp_path / "speed.json") == []

    @pytest.mark.parametrize("text", ["{", '{"task": 1}', '[{"task": "x"}]'])
    def test_another_file_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "speed.json").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=r"speed\.json: is not a list of records"):
            read_records(tmp_path / "speed.json")

    def test_a_task_measured_again_replaces_its_record_of_that_precision(self) -> None:
        old = [a_record("a"), a_record("b"), a_record("b", "bf16")]
        new = [a_record("b", seconds=7.0), a_record("c")]
        assert merged(old, new) == [old[0], new[0], old[2], new[1]]
