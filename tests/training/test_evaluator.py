"""Measurements during training: they change nothing, survive a resume, and keep the best weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from unpaired import tensorfile
from unpaired.config import RunConfig
from unpaired.data.folders import PictureFolders
from unpaired.evaluation import tools
from unpaired.evaluation.config import EvaluationConfig
from unpaired.inference.bundle import open_model
from unpaired.metrics.measurement import Measurement
from unpaired.training import checkpoint, evaluator, loop
from unpaired.training.evaluator import base_name, evaluation_problems, numbers_of
from unpaired.training.runs import RunFolder, make_folder

MEASURED = EvaluationConfig(every_steps=2, metrics=("kid",), num_inputs=4, num_styles=2)


class PixelNetwork:
    """Stands for a network with weights."""

    label = "pixels"
    recipe: Mapping[str, str] = {"network": "pixels"}

    def to(self, _device: torch.device) -> PixelNetwork:
        return self


@pytest.fixture(autouse=True)
def _pixels_as_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "default_feature_network", lambda: "pixels")
    monkeypatch.setattr(tools, "load_feature_network", lambda _name: PixelNetwork())
    monkeypatch.setattr(tools, "features_of", _pixels)


def _pixels(_network: object, batches: Any, _device: torch.device) -> Tensor:
    torch.rand(3)  # a network that draws from the global generator must not matter either
    return torch.cat([torch.nn.functional.adaptive_avg_pool2d(batch, 2).flatten(1) for batch in batches])


@pytest.fixture
def measured_config(config: RunConfig) -> RunConfig:
    return replace(config, evaluation=MEASURED)


def train(config: RunConfig, folders: PictureFolders, path: Path, **how: Any) -> RunFolder:
    run = make_folder(path)
    run.write_config(config)
    loop.train(config, folders, run, **how)
    return run


def lines_of(run: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()]


def numbers(run: RunFolder) -> list[tuple[int, list[float]]]:
    return [(line["step"], [m["value"] for m in line["measurements"]]) for line in lines_of(run)]


def assert_same(first: RunFolder, second: RunFolder, name: str = "last") -> None:
    (_, ones), (_, others) = (tensorfile.read(run.checkpoints / f"{name}.safetensors") for run in (first, second))
    assert ones.keys() == others.keys()
    assert all(torch.equal(tensor, others[key]) for key, tensor in ones.items())


def test_a_measured_run_equals_one_that_is_not_bit_for_bit(
    config: RunConfig, measured_config: RunConfig, picture_folders: PictureFolders, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    plain = train(config, picture_folders, tmp_path / "plain")
    expected = torch.rand(4)
    torch.manual_seed(0)
    run = train(measured_config, picture_folders, tmp_path / "measured")
    assert_same(plain, run)
    assert torch.equal(torch.rand(4), expected), "not even the global generator is touched"
    assert not (plain.path / "evaluations.jsonl").exists()
    assert not (plain.checkpoints / "best.safetensors").exists()
    grids = sorted(path.name for path in plain.samples.glob("*.png"))
    assert all((run.samples / name).read_bytes() == (plain.samples / name).read_bytes() for name in grids)


def test_what_is_written(measured_config: RunConfig, picture_folders: PictureFolders, tmp_path: Path) -> None:
    run = train(measured_config, picture_folders, tmp_path / "run")
    assert [line["step"] for line in lines_of(run)] == [2, 4]
    measurements = lines_of(run)[0]["measurements"]
    assert [(m["name"], m["direction"]) for m in measurements] == [("kid", "a→b"), ("kid", "b→a")]
    assert measurements[0]["low"] < measurements[0]["value"] < measurements[0]["high"]
    assert measurements[0]["recipe"]["network"] == "pixels"
    assert "Step 4: kid a→b" in (run.path / "log.txt").read_text(encoding="utf-8")
    page = (run.path / "index.html").read_text(encoding="utf-8")
    assert 'href="#measured"' in page
    assert "KID × 1000 (pixels)" in page


def test_two_plus_two_steps_measure_what_four_do(
    measured_config: RunConfig, picture_folders: PictureFolders, tmp_path: Path
) -> None:
    unbroken = train(measured_config, picture_folders, tmp_path / "unbroken")
    run = train(replace(measured_config, steps=2), picture_folders, tmp_path / "resumed")
    train(measured_config, picture_folders, run.path, resume=run.last_checkpoint)
    assert numbers(run) == numbers(unbroken)
    assert_same(run, unbroken)
    assert_same(run, unbroken, "best")


def test_a_resume_forgets_what_was_measured_later(
    measured_config: RunConfig, picture_folders: PictureFolders, tmp_path: Path
) -> None:
    run = train(replace(measured_config, steps=2), picture_folders, tmp_path / "run")
    with (run.path / "evaluations.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 3, "seconds": 1, "measurements": []}\n{"step": 4, "sec')  # killed while it wrote
    train(measured_config, picture_folders, run.path, resume=run.last_checkpoint)
    assert [step for step, _ in numbers(run)] == [2, 4]


@pytest.mark.parametrize(("values", "best_step"), [([3.0, 2.0, 1.0], 6), ([1.0, 2.0, 3.0], 2), ([2.0, 1.0, 1.0], 4)])
def test_the_best_weights_are_kept(
    values: list[float],
    best_step: int,
    measured_config: RunConfig,
    picture_folders: PictureFolders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    say_values(monkeypatch, values)
    config = replace(measured_config, steps=6, checkpoints=replace(measured_config.checkpoints, snapshot_every_steps=2))
    run = train(config, picture_folders, tmp_path / "run")
    best = checkpoint.read_best(run.checkpoints)
    assert best is not None
    assert (best.name, best.step, best.value) == ("kid", best_step, min(values))
    _, kept = tensorfile.read(run.checkpoints / "best.safetensors")
    _, expected = tensorfile.read(run.checkpoints / f"step-{best_step:08d}.safetensors")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in kept.items())
    assert open_model(run.checkpoints / "best.safetensors").config.step == best_step


def test_a_resume_knows_the_best_so_far(
    measured_config: RunConfig, picture_folders: PictureFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_values(monkeypatch, [1.0, 2.0])
    run = train(replace(measured_config, steps=2), picture_folders, tmp_path / "run")
    train(measured_config, picture_folders, run.path, resume=run.last_checkpoint)
    best = checkpoint.read_best(run.checkpoints)
    assert best is not None
    assert best.step == 2


def test_another_measure_of_the_best_starts_anew(
    measured_config: RunConfig, picture_folders: PictureFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_values(monkeypatch, [1.0, 2.0])
    run = train(replace(measured_config, steps=2), picture_folders, tmp_path / "run")
    other = replace(measured_config, evaluation=replace(MEASURED, best="kid_b"))
    train(other, picture_folders, run.path, resume=run.last_checkpoint)
    best = checkpoint.read_best(run.checkpoints)
    assert best is not None
    assert (best.name, best.step) == ("kid_b", 4)
    assert "starts anew" in (run.path / "log.txt").read_text(encoding="utf-8")


def test_a_value_that_is_no_number_is_never_the_best(
    measured_config: RunConfig, picture_folders: PictureFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_values(monkeypatch, [float("nan"), 2.0])
    run = train(measured_config, picture_folders, tmp_path / "run")
    assert numbers(run)[0] == (2, [None, None])
    best = checkpoint.read_best(run.checkpoints)
    assert best is not None
    assert best.step == 4


def say_values(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Let one evaluation after the other find these values, in both directions."""
    left = [value for value in values for _ in "ba"]

    def found(subject: Any, *_: object) -> list[Measurement]:
        value = left.pop(0)
        arrow = subject.direction.arrow
        return [Measurement(name="kid", label="KID", group="quality", direction=arrow, value=value, better="lower")]

    monkeypatch.setattr(evaluator, "measure", found)


def test_numbers_have_names_of_domains_and_a_mean() -> None:
    kid, fid = "kid", "fid"
    found = [
        Measurement(name=kid, label="", group="quality", direction="a→b", value=1.0, better="lower"),
        Measurement(name=kid, label="", group="quality", direction="b→a", value=2.0, better="lower"),
        Measurement(name=fid, label="", group="quality", direction="a→b", value=5.0, better="lower"),
    ]
    assert numbers_of(found) == {"kid_b": 1.0, "kid_a": 2.0, "kid": 1.5, "fid_b": 5.0, "fid": 5.0}
    assert [base_name(name) for name in ("kid", "kid_a", "distance_best_b")] == ["kid", "kid", "distance_best"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": ("kod",)}, "evaluation.metrics kod: there is no such metric"),
        ({"metrics": ("edges",)}, "the inputs are not black edges on white"),
        ({"best": "kidd"}, "evaluation.best kidd: is not measured"),
        ({"best": "kid_a", "to": "b"}, "evaluation.best kid_a"),
        ({"best": "fid"}, "evaluation.best fid"),
        ({"metrics": ()}, "evaluation.metrics: names no metric"),
    ],
)
def test_problems_are_found_before_the_run(
    changes: dict[str, Any], said: str, config: RunConfig, picture_folders: PictureFolders
) -> None:
    wrong = replace(config, evaluation=replace(MEASURED, **changes))
    assert any(said in problem.message for problem in evaluation_problems(wrong, picture_folders))


def test_no_problems_where_nothing_is_wrong_or_measured(
    config: RunConfig, measured_config: RunConfig, picture_folders: PictureFolders
) -> None:
    assert evaluation_problems(measured_config, picture_folders) == []
    off = replace(config, evaluation=EvaluationConfig(metrics=("nonsense",)))
    assert evaluation_problems(off, picture_folders) == []
