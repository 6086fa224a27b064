"""Checkouts side by side: what a call asks for, what it is told when it is wrong, what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from benchmarks.speed.worker import Measured
from benchmarks.versions.cli import main, planned

from benchmarks.versions import cli
from unpaired.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A folder that looks like a checkout."""
    package = tmp_path / "before" / "src" / "unpaired"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return tmp_path / "before"


def test_versions_come_from_their_checkouts_and_this_one_is_the_last(before: Path, tmp_path: Path) -> None:
    plan = planned([str(before), "--only", "train-munit-64", "--precision", "bf16"], tmp_path)
    assert plan.sources == {"before": before / "src", "this": ROOT / "src"}
    assert list(plan.sources) == ["before", "this"]
    assert (plan.task.name, plan.precision) == ("train-munit-64", "bf16")


@pytest.mark.parametrize("task", ["train-ugatit-light-128-less-memory", "translate-munit-256"])
def test_no_clone_of_a_reference_is_needed(before: Path, tmp_path: Path, task: str) -> None:
    assert planned([str(before), "--only", task], tmp_path).task.name == task


def test_all_problems_come_at_once(before: Path, tmp_path: Path) -> None:
    words = [str(before), str(before), str(tmp_path / "nothing"), "--only", "data", "--rounds", "0"]
    with pytest.raises(UsageError) as caught:
        planned(words, tmp_path)
    data, folder, twice, rounds = map(str, caught.value.problems)
    assert data.startswith("--only data: measures no version")
    assert "nothing: holds no src/unpaired/__init__.py" in folder
    assert "git worktree add" in folder
    assert twice.startswith("before: names two versions")
    assert rounds.startswith("--rounds 0: is too few")


def test_a_task_with_a_slip_is_guessed(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(before), "--only", "train-munti-64"]) == 2
    assert 'Did you mean "train-munit-64"?' in capsys.readouterr().err


def test_ratios_are_of_one_round(before: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    seconds: list[Mapping[str, float]] = [{"before": 2.0, "this": 1.0}, {"before": 4.0, "this": 3.0}]
    rounds = [{name: Measured(value, 100 * value) for name, value in one.items()} for one in seconds]
    monkeypatch.setattr(cli, "contest", lambda *_: rounds)
    assert main([str(before), "--only", "train-munit-64"]) == 0
    title, other, this = capsys.readouterr().out.splitlines()
    assert title == "train-munit-64 fp32"
    assert other == "  before: 3 s, 400 MiB; this takes 0.62 [0.50, 0.75] of its time"
    assert this == "  this: 2 s, 300 MiB"
