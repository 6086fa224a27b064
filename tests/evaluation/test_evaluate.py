"""A whole evaluation, with networks that need no weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from unpaired.config import RunConfig
from unpaired.errors import UsageError, UserError
from unpaired.evaluation import evaluate
from unpaired.evaluation.data import real_pictures
from unpaired.evaluation.evaluate import Plan, measure, prepare, run, translate
from unpaired.evaluation.report import Evaluation
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.table import METRICS
from unpaired.inference.translator import load
from unpaired.metrics.kid import kernel_distance

Planned = Callable[..., Plan]
WriteRun = Callable[..., Path]
Make = Callable[..., Path]


def ran(plan: Plan, folder: Path | None = None) -> Evaluation:
    return run(plan, lambda *_: None, folder=folder)


def values(evaluation: Evaluation, candidate: str) -> dict[tuple[str, str], float]:
    (result,) = (r for r in evaluation.results if r.name == candidate)
    return {(m.name, m.direction): m.value for m in result.measurements}


def test_a_model_and_its_saved_pictures_give_the_same_numbers(
    paired_folder: Path, write_run: WriteRun, planned: Planned, tmp_path: Path
) -> None:
    model = write_run("run")
    plan = planned([model], paired_folder, to=("b",))
    subject = translate(plan.candidates[0], plan.scene.direction("b"), lambda *_: None)
    for label, styles in zip(subject.direction.inputs.labels, subject.pictures, strict=True):
        for index, picture in enumerate(styles):
            path = tmp_path / "saved" / f"{label}-style{index}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)
    evaluation = ran(planned([model, tmp_path / "saved"], paired_folder, to=("b",)))
    of_model, of_folder = values(evaluation, "run"), values(evaluation, "saved")
    assert of_folder
    assert {key: of_model[key] for key in of_folder} == of_folder
    assert {
        ("kid", "a→b"),
        ("diversity", "a→b"),
        ("distance_best", "a→b"),
        ("edge_agreement", "a→b"),
    } <= of_folder.keys()
    assert not any(difference.larger_than_chance for difference in evaluation.differences)


def test_styles_are_those_of_translate_with_fresh_styles(
    data_folder: Path, write_run: WriteRun, planned: Planned, tmp_path: Path, unpaired_main: Callable[..., int]
) -> None:
    model = write_run("run")
    call = ("translate", model, data_folder / "testA", "--to", "b", "--styles", 3, "--fresh-styles", "--seed", 5)
    assert unpaired_main(*call, "--device", "cpu", "--out", tmp_path / "out") == 0
    evaluation = ran(planned([model, tmp_path / "out"], data_folder, to=("b",), num_styles=3, seed=5))
    of_model, of_folder = values(evaluation, "run"), values(evaluation, "out")
    assert of_folder == {key: of_model[key] for key in of_folder}


def test_numbers_are_those_of_the_metric_itself(data_folder: Path, write_run: WriteRun, planned: Planned) -> None:
    plan = planned([write_run("run")], data_folder, num_styles=1, metrics=("kid",))
    evaluation = ran(plan)
    translator = load(plan.candidates[0].facts["path"] or "", device="cpu")
    for to, arrow in (("b", "a→b"), ("a", "b→a")):
        inputs, real = plan.scene.inputs[to], real_pictures(plan.scene.data, to, of_training=False)  # type: ignore[index,arg-type]
        made = [
            translated(translator, path, to, label) for path, label in zip(inputs.paths, inputs.labels, strict=True)
        ]
        expected = kernel_distance(shrunk(made), shrunk([Image.open(path) for path in real.paths]))
        assert values(evaluation, "run")["kid", arrow] == pytest.approx(1000 * expected, rel=1e-5)


def translated(translator: Any, path: Path, to: str, label: str) -> Image.Image:
    from unpaired.inference.styles import random_styles

    (style,) = random_styles(translator, 1, 0, label)
    (picture,) = translator.translate(path, to=to, style=list(style.code or ()))
    return picture  # type: ignore[no-any-return]


def shrunk(pictures: list[Image.Image]) -> torch.Tensor:
    arrays = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures]) / 127.5 - 1  # (N, 32, 32, 3)
    means = arrays.reshape(len(arrays), 2, 16, 2, 16, 3).mean(axis=(2, 4))  # (N, 2, 2, 3)
    return torch.from_numpy(means.transpose(0, 3, 1, 2).reshape(len(arrays), -1))


def test_baselines_give_the_scale(paired_folder: Path, write_run: WriteRun, planned: Planned) -> None:
    evaluation = ran(planned([write_run("run")], paired_folder, to=("b",)))
    assert [result.kind for result in evaluation.results] == ["model", "baseline", "baseline"]
    unchanged = values(evaluation, "inputs unchanged")
    assert ("diversity", "a→b") not in unchanged, "one answer has no diversity"
    assert unchanged["distance_best", "a→b"] == unchanged["distance_mean", "a→b"]
    assert values(evaluation, "random real pictures")["kid", "a→b"] < unchanged["kid", "a→b"]
    assert [r.kind for r in ran(planned([write_run("run")], paired_folder, baselines=False)).results] == ["model"]


def test_real_pictures_are_no_baseline_where_they_are_what_is_compared_with(
    data_folder: Path, write_run: WriteRun, planned: Planned
) -> None:
    plan = planned([write_run("run")], data_folder, of_training=True)
    assert [candidate.name for candidate in plan.candidates] == ["run", "inputs unchanged"]
    assert plan.scene.direction("b").real_name == "trainB"
    assert len(plan.scene.direction("b").real) == 8


def test_random_real_pictures_repeat_only_when_they_have_to(
    data_folder: Path, planned: Planned, translations: Make
) -> None:
    folder = translations("out", [f"a{n}" for n in range(6)])
    plan = planned([folder], data_folder, to=("b",), num_styles=4)
    pictures = plan.candidates[-1].translations(plan.scene.direction("b"), lambda *_: None)
    assert pictures.shape == (6, 4, 3, 32, 32)
    firsts = pictures[torch.arange(6), torch.arange(6) % 4]
    assert len(firsts.flatten(1).unique(dim=0)) == 6
    assert len(pictures.flatten(2).flatten(0, 1).unique(dim=0)) == 8


def test_the_same_seed_gives_the_same_numbers(data_folder: Path, write_run: WriteRun, planned: Planned) -> None:
    model = write_run("run")
    first, again = (ran(planned([model], data_folder)) for _ in range(2))
    assert first.results == again.results
    other = ran(planned([model], data_folder, seed=1))
    assert values(other, "run") != values(first, "run")


def test_models_are_compared(data_folder: Path, write_run: WriteRun, planned: Planned) -> None:
    evaluation = ran(planned([write_run("one", 1), write_run("two", 2)], data_folder, metrics=("kid",)))
    assert [(d.first, d.second, d.direction, d.method) for d in evaluation.differences] == [
        ("one", "two", "a→b", "paired bootstrap"),
        ("one", "two", "b→a", "paired bootstrap"),
    ]


def test_models_of_two_sizes_are_measured_at_the_smaller(
    data_folder: Path, write_run: WriteRun, planned: Planned, small_config: RunConfig
) -> None:
    models = [write_run("one"), write_run("two", config=small_config)]
    evaluation = ran(planned(models, data_folder, metrics=("kid",)))
    assert evaluation.size == (16, 16)
    assert {m.recipe["size"] for r in evaluation.results for m in r.measurements} == {"16x16"}


def test_inputs_that_a_folder_lacks_are_left_out_for_all(
    data_folder: Path, write_run: WriteRun, planned: Planned, translations: Make
) -> None:
    folder = translations("out", ["a1", "a3", "a4", "a5"])
    evaluation = ran(planned([write_run("run"), folder], data_folder))
    assert any("measured on 4 of 6 inputs of a→b: out holds no translation" in note for note in evaluation.notes)
    of_run = evaluation.measurement("kid", candidate="run", direction="a→b")
    assert of_run.pictures == ("a1", "a3", "a4", "a5")
    assert evaluation.measurement("kid", candidate="run", direction="b→a").recipe["inputs"] == 6


def test_a_metric_that_cannot_be_computed_is_noted(data_folder: Path, planned: Planned, translations: Make) -> None:
    folder = translations("out", ["a1", "a2"])
    evaluation = ran(planned([folder], data_folder, metrics=("kid", "kid_subsets"), baselines=False))
    assert [m.name for m in evaluation.results[0].measurements] == ["kid_subsets", "kid_subsets_std"]
    assert any("out a→b: no kid: A kernel distance of 2 and 6 pictures" in note for note in evaluation.notes)


def test_all_metrics_give_what_they_promise(
    paired_folder: Path, write_run: WriteRun, planned: Planned, labelled: Path
) -> None:
    plan = planned([write_run("run")], paired_folder, to=("b",), metrics=("all",), modes=labelled)
    subject = translate(plan.candidates[0], plan.scene.direction("b"), lambda *_: None)
    assert set(plan.scene.metrics) == METRICS.keys() - {"identity"}
    found = measure(subject, plan.scene, "run", lambda *_: None)
    assert plan.scene.notes == list(plan.scene.data.notes)
    promised = {name: better for metric in plan.scene.metrics for name, better in METRICS[metric].gives.items()}
    assert {m.name: m.better for m in found}.items() <= promised.items()
    assert promised.keys() - {m.name for m in found} <= {"identity_error"}, "which models with styles do not have"
    for m in found:
        assert np.isfinite(m.value), m.name
        assert m.recipe["size"] == "32x32"
        assert m.recipe["inputs"] == 6
        assert (m.low is None) == (m.high is None)
        assert len(m.pictures) == len(m.per_picture)
        if m.per_picture:
            assert np.mean(m.per_picture) == pytest.approx(m.value, rel=1e-4, abs=1e-6), m.name


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A folder of two modes: dark and light pictures."""
    rng = np.random.default_rng(0)
    for mode, level in (("dark", 40), ("light", 200)):
        (tmp_path / "modes" / mode).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(level - 30, level + 30, (32, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "modes" / mode / f"{number}.png")
    return tmp_path / "modes"


def test_the_report_is_written(
    paired_folder: Path, write_run: WriteRun, planned: Planned, translations: Make, tmp_path: Path
) -> None:
    from unpaired.evaluation.page import write_report

    folder = translations("out", [f"x{n}_{style}" for n in range(6) for style in range(2)])
    evaluation = ran(planned([write_run("run"), folder], paired_folder, to=("b",)), tmp_path / "report")
    write_report(evaluation, tmp_path / "report")
    plain = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert plain["kind"] == "unpaired evaluation"
    assert [result["name"] for result in plain["results"]][:2] == ["run", "out"]
    names = {path.name for path in (tmp_path / "report" / "grids").iterdir()}
    both = {f"{name}-to-b{what}.png" for name in ("run", "out") for what in ("", "-worst")}
    assert names == both | {"side-by-side-to-b.png", "real-a.png", "real-b.png"}
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert all(f'src="grids/{name}"' in page for name in names)


def test_everything_wrong_is_said_together(data_folder: Path, tmp_path: Path, translations: Make) -> None:
    (data_folder / "testA" / "a1.png").write_bytes(b"")
    settings = Settings(device="quantum")
    with pytest.raises(UserError) as error:
        prepare([tmp_path / "no-model", translations("out", ["foo"])], tmp_path / "no-data", settings)
    said = str(error.value)
    for part in ("no-model", "no-data", "quantum"):
        assert part in said
    with pytest.raises(UserError) as error:
        prepare([tmp_path / "no-model", translations("out", ["foo"])], data_folder, Settings(device="cpu"))
    assert len(error.value.problems) == 2
    with pytest.raises(UserError, match="1 of 6 pictures cannot be read"):
        prepare([translations("fine", ["a0", "a2"])], data_folder, Settings(device="cpu"))


def test_inputs_have_to_fit_each_model_at_whatever_size_is_measured(
    data_folder: Path, write_run: WriteRun, small_config: RunConfig
) -> None:
    large = replace(small_config, data=replace(small_config.data, size=(512, 512), resize="none"))
    with pytest.raises(UserError) as error:
        prepare([write_run("one", config=large)], data_folder, Settings(device="cpu", size=(16, 16)))
    said = [problem.message for problem in error.value.problems]
    assert len(said) == 2
    assert all("smaller than the crop of 512x512" in message for message in said)


def test_no_model(data_folder: Path) -> None:
    with pytest.raises(UserError, match="No model was given"):
        prepare([], data_folder, Settings(device="cpu"))


def test_modes_need_one_direction(data_folder: Path, write_run: WriteRun, planned: Planned, labelled: Path) -> None:
    with pytest.raises(UserError, match="of which domain"):
        planned([write_run("run")], data_folder, modes=labelled)


def test_a_network_that_the_loss_used_is_not_asked(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    settings = "losses: {face: {network: facenet-vggface2}}"
    (tmp_path / "run" / "config.yaml").write_text(settings, encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.yaml").write_text("steps: many", encoding="utf-8")
    assert evaluate._face_networks([tmp_path / "run", tmp_path / "broken", tmp_path]) == ("facenet-vggface2",)


def test_measurements_are_found_by_name(data_folder: Path, write_run: WriteRun, planned: Planned) -> None:
    evaluation = ran(planned([write_run("run")], data_folder, metrics=("kid",)))
    assert evaluation.measurement("kid").direction == "a→b"
    assert evaluation.measurement("kid", direction="b→a", candidate="inputs unchanged").name == "kid"
    with pytest.raises(UsageError, match="kidd: was not measured"):
        evaluation.measurement("kidd")
