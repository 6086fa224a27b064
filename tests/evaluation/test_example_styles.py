"""Styles by example: those of training pictures, others for each input, the same for each seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unpaired.errors import UserError
from unpaired.evaluation.data import open_data, view_of
from unpaired.evaluation.evaluate import Plan, run, translate
from unpaired.evaluation.example_styles import example_codes
from unpaired.inference.translator import load
from unpaired.metrics.measurement import Measurement
from unpaired.models.base import Domain

Planned = Callable[..., Plan]
WriteRun = Callable[..., Path]


def test_codes_are_those_of_training_pictures(data_folder: Path, write_run: WriteRun) -> None:
    translator = load(write_run("run"), device="cpu")
    data, _ = open_data(data_folder)
    assert data is not None
    examples, view = data.train["b"], view_of(translator.bundle.config.data)

    def codes(labels: list[str], seed: int = 0, num_styles: int = 3) -> torch.Tensor:
        return example_codes(translator, examples, view, "b", labels, num_styles=num_styles, seed=seed)

    found = codes(["one", "two"])
    known = torch.cat([translator.style_of(path, "b") for path in examples.paths])
    assert found.shape == (3, 2, known.shape[1])
    distances = torch.cdist(found.flatten(0, 1), known)
    assert distances.amin(dim=1).max() < 1e-5
    of_one, of_two = distances.argmin(dim=1).view(3, 2).T.tolist()
    assert len(set(of_one)) == len(set(of_two)) == 3
    assert of_one != of_two
    assert torch.equal(found[:, :1], codes(["one"])), "a code does not depend on the other inputs"
    assert not torch.equal(found, codes(["one", "two"], seed=1))
    assert len(codes(["one"], num_styles=11)) == 11, "examples are used again where there are too few"


def test_translations_by_example_are_those_with_these_codes(
    data_folder: Path, write_run: WriteRun, planned: Planned
) -> None:
    model = write_run("run")
    random, by_example = (
        pictures_of(planned([model], data_folder, to=("b",), num_styles=2, by_example=on), "b") for on in (False, True)
    )
    assert random.shape == by_example.shape
    assert not torch.equal(random, by_example)
    translator = load(model, device="cpu")
    data, _ = open_data(data_folder)
    assert data is not None
    view = view_of(translator.bundle.config.data)
    codes = example_codes(translator, data.train["b"], view, "b", data.test["a"].labels, num_styles=2, seed=0)
    first = translator.translate(data.test["a"].paths[0], to="b", style=codes[1, 0].tolist())[0]
    made = torch.frombuffer(bytearray(first.tobytes()), dtype=torch.uint8).view(32, 32, 3).permute(2, 0, 1)
    assert torch.equal(by_example[0, 1], made)


def pictures_of(plan: Plan, to: Domain) -> torch.Tensor:
    return translate(plan.candidates[0], plan.scene.direction(to), lambda *_: None).pictures


def test_recipes_say_where_the_styles_are_from(data_folder: Path, write_run: WriteRun, planned: Planned) -> None:
    def kid(*, by_example: bool) -> list[Measurement]:
        plan = planned([write_run("run")], data_folder, to=("b",), metrics=("kid",), by_example=by_example)
        return [result.measurements[0] for result in run(plan, lambda *_: None).results]

    of_model, *of_baselines = kid(by_example=True)
    assert of_model.recipe["styles of"] == "training pictures"
    assert not any("styles of" in measured.recipe for measured in of_baselines)
    assert "styles of" not in kid(by_example=False)[0].recipe


def test_all_that_is_missing_is_said(data_folder: Path, write_run: WriteRun, planned: Planned) -> None:
    for path in (data_folder / "trainB").iterdir():
        path.unlink()
    (data_folder / "trainB").rmdir()
    with pytest.raises(UserError, match="has no trainB"):
        planned([write_run("run")], data_folder, by_example=True)
    planned([write_run("run")], data_folder, to=("a",), by_example=True)


def test_models_without_styles_have_none_by_example(data_folder: Path, planned: Planned, translations) -> None:
    folder = translations("out", [f"a{n}" for n in range(6)])
    with pytest.raises(UserError, match="none of these models has styles"):
        planned([folder], data_folder, to=("b",), by_example=True)
