"""The command itself: what it prints, where the report goes, what it says to mistakes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
FEW = ("--metrics", "round_trips", "--styles", "2", "--device", "cpu")


@pytest.fixture
def data(trained_run: Path, draw: Call) -> Path:
    """The data folder `cats2dogs` in the current folder, which also has the run of `trained_run`."""
    for part, seed in (("trainA", 0), ("trainB", 10), ("testA", 20), ("testB", 30)):
        for number in range(4):
            draw(f"cats2dogs/{part}/{part[-1]}{number}.png", seed=seed + number)
    return Path("cats2dogs")


def test_a_run_gets_its_report_inside(data: Path, trained_run: Path, unpaired: Call) -> None:
    called = unpaired("evaluate", trained_run, data, *FEW)
    assert called.code == 0, called.err
    assert (trained_run / "evaluation" / "index.html").is_file()
    plain = json.loads((trained_run / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert {m["name"] for m in plain["results"][0]["measurements"]} >= {"cycle_error", "style_share"}
    for part in ("0001-munit-cats2dogs", "Cycle error", "a→b", "b→a", "inputs unchanged", "Look at file://"):
        assert part in called.out
    assert unpaired("evaluate", trained_run, data, *FEW).code == 0, "a report is replaced"


def test_a_checkpoint_of_a_run_has_the_same_place(data: Path, trained_run: Path, unpaired: Call) -> None:
    checkpoint = trained_run / "checkpoints" / "last.safetensors"
    called = unpaired("evaluate", checkpoint, data, *FEW, "--to", "b", "--no-baselines", "--inputs", 3)
    assert called.code == 0, called.err
    assert (trained_run / "evaluation" / "index.html").is_file()
    assert "inputs unchanged" not in called.out
    assert "b→a" not in called.out


def test_two_models_are_compared(data: Path, trained_run: Path, unpaired: Call) -> None:
    shutil.copytree(trained_run, "other")
    called = unpaired("evaluate", trained_run, "other", data, *FEW, "--out", "compared")
    assert called.code == 0, called.err
    assert "which may be chance" in called.out
    assert "* is the best" in called.out
    assert Path("compared/grids/side-by-side-to-b.png").is_file()


def test_saved_translations_can_be_measured(data: Path, trained_run: Path, unpaired: Call) -> None:
    call = ("--to", "b", "--styles", "2", "--device", "cpu", "--out", "out")
    assert unpaired("translate", trained_run, data / "testA", *call).code == 0
    called = unpaired("evaluate", "out", data, "--metrics", "edges", "--edges", "a", "--device", "cpu")
    assert called.code == 0, called.err
    assert "Edge agreement" in called.out
    assert Path("evaluation/index.html").is_file()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--to", "c"), "--to c: is not allowed"),
        (("--styles", "0"), "--styles 0: is not allowed"),
        (("--inputs", "1"), "--inputs 1: is not allowed"),
        (("--seed", "x"), "--seed x: is not allowed"),
        (("--batch", "-1"), "--batch -1: is not allowed"),
        (("--size", "64x"), "--size 64x: is not allowed"),
        (("--real", "fake"), "--real fake: is not allowed"),
        (("--pairs", "maybe"), "--pairs maybe: is not allowed"),
        (("--edges", "c"), "--edges c: is not allowed"),
        (("--metrics", "kids"), "--metrics kids: there is no such metric"),
        (("--metrics", ","), "--metrics: names no metric"),
        (("--modes", "nothing", "--to", "b"), "nothing"),
        (("--features", "vgg"), "vgg: there is no such feature network"),
        (("--distance", "l2"), "l2: there is no such distance"),
        (("--device", "abacus"), "--device abacus"),
        (("--out", "runs"), "--out runs: exists and holds something else"),
        (("--out", "cat.png"), "--out cat.png: is a file"),
    ],
)
def test_wrong_flags(
    flags: tuple[str, ...], said: str, data: Path, trained_run: Path, unpaired: Call, draw: Call
) -> None:
    draw("cat.png")
    called = unpaired("evaluate", trained_run, data, *flags)
    assert called.code != 0
    assert said in called.err
    assert called.num_errors == 1, called.err
    assert not Path("evaluation").exists()
    assert not (trained_run / "evaluation").exists()


def test_pairs_without_partners(data: Path, trained_run: Path, unpaired: Call) -> None:
    Path("cats2dogs/testB/B0.png").rename("cats2dogs/testB/A0.png")
    called = unpaired("evaluate", trained_run, data, "--pairs", "yes")
    assert called.num_errors == 2
    assert "--pairs yes: 3 pictures of" in called.err


def test_all_that_is_wrong_is_said_at_once(data: Path, unpaired: Call) -> None:
    called = unpaired("evaluate", "no-model", "cats2dog", "--styles", "many", "--real", "none")
    assert called.code == 2
    for part in ("no-model", "cats2dog", "--styles many", "--real none"):
        assert part in called.err
    assert called.num_errors == 4


@pytest.mark.parametrize("paths", [(), ("runs/0001-munit-cats2dogs",)])
def test_too_few_paths(paths: tuple[str, ...], unpaired: Call) -> None:
    called = unpaired("evaluate", *paths)
    assert called.code == 2
    assert "No model and no data" in called.err or "No data folder" in called.err
