"""Our sides, from config to files, on tiny networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.speed.catalogue import catalogue
from benchmarks.speed.cli import main
from benchmarks.speed.comparison import products
from benchmarks.speed.folder import FOLDER, Folder, folder_translated
from benchmarks.speed.pipeline import PIPELINE, Pipeline, batches
from benchmarks.speed.startup import IMPORT, TRANSLATE, StartUp
from benchmarks.speed.tasks import Call, Precision
from benchmarks.speed.training import Training, training_step
from benchmarks.speed.translation import Translation, translation
from benchmarks.speed.untrained import write_picture
from benchmarks.speed.worker import Measured

from benchmarks.speed import folder, pipeline, startup
from unpaired.config import DataConfig, RunConfig
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig

TINY = RunConfig(
    device="cpu",
    data=DataConfig(size=(32, 32)),
    model=MunitConfig(
        generator=GeneratorConfig(dim=4, mlp_dim=8, style_dim=3, num_res_blocks=1),
        discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=1),
    ),
    ema_decay=0.0,
)


@pytest.fixture
def call(tmp_path: Path) -> Call:
    return Call(tmp_path, tmp_path, ("fp32", "bf16"), "cpu", 1, tmp_path)


class TestTraining:
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_a_step_gives_the_numbers_of_a_training(self, precision: str) -> None:
        step = training_step(replace(TINY, precision=precision))
        assert {"loss_generator", "loss_discriminator"} <= set(step())

    def test_both_sides_train_the_same_networks_without_an_average(self, call: Call) -> None:
        sides = Training(name="x", preset="ugatit-light", size=64).contenders(call)
        assert list(sides) == ["reference", "ours fp32", "ours bf16", "product fp32", "product bf16"]
        _, its = sides["reference"].args
        (own,) = sides["ours fp32"].args
        assert its.model == own.model
        assert own.ema_decay == 0
        assert own.model.discriminator.num_layers_global == 6  # 64 px leave nothing for a seventh

    def test_every_task_has_a_config_that_can_be_trained(self) -> None:
        for task in catalogue("cuda").values():
            if isinstance(task, Training):
                assert task._config(task.preset).model.problems((task.size, task.size)) == []

    def test_the_record_names_what_was_trained(self, call: Call) -> None:
        task = Training(name="x", preset="munit-fast", size=64, batch=4, reference_preset="munit-small")
        sides = ("reference", "ours fp32", "ours bf16", "product fp32", "product bf16")
        records = task.records(call, [dict.fromkeys(sides, Measured(1.0, 1.0))])
        assert [(r.model, r.size, r.batch, r.precision) for r in records] == [
            ("munit-fast", 64, 4, "fp32"),
            ("munit-fast", 64, 4, "bf16"),
        ]


class TestTranslation:
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_every_style_becomes_a_file_again_and_again(self, precision: Precision, tmp_path: Path) -> None:
        picture = write_picture(tmp_path / "picture.png", 32)
        translate = translation(replace(TINY, precision=precision), picture, tmp_path / "out", num_styles=3)
        translate()
        translate()
        assert len(list((tmp_path / "out").rglob("*.png"))) == 3

    def test_two_may_be_measured_in_turn(self, tmp_path: Path) -> None:
        """As two versions are."""
        picture = write_picture(tmp_path / "picture.png", 32)
        for translate in [translation(TINY, picture, tmp_path / "out", num_styles=1) for _ in range(2)]:
            translate()
        assert len(list((tmp_path / "out").rglob("*.png"))) == 2

    def test_both_sides_translate_the_same_picture(self, call: Call) -> None:
        sides = Translation(name="x", preset="munit", size=256, num_styles=10).contenders(call)
        assert list(sides) == ["reference", "ours fp32", "ours bf16", "product fp32", "product bf16"]
        _, _, its_picture, _, _ = sides["reference"].args
        _, own_picture, _, _ = sides["ours bf16"].args
        assert its_picture == own_picture


class TestData:
    def test_a_unit_takes_that_many_batches(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pipeline, "NUM_PICTURES", 2)
        monkeypatch.setattr(pipeline, "NUM_BATCHES", 2)
        take = batches(DataConfig(size=(16, 16), workers=0), 32, 1, tmp_path)
        take()
        assert len(list(tmp_path.rglob("*.jpg"))) == 4

    def test_on_a_cpu_the_need_is_an_assumption(self, call: Call) -> None:
        task = Pipeline(name="data", preset="munit", size=64, stored=256)
        assert list(task.contenders(call)) == [PIPELINE]
        (record,) = task.records(call, [{PIPELINE: Measured(pipeline.NUM_BATCHES * 0.001, 1.0)}])
        assert record.ours_s == pytest.approx(0.001)
        assert record.ratio is not None
        assert record.ratio.median == pytest.approx(pipeline.GPU_STEP_SECONDS / 0.001)


class TestFolder:
    def test_a_unit_translates_every_picture_again_and_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folder, "NUM_PICTURES", 3)
        monkeypatch.setattr(folder, "MODEL_SECONDS", 0.0)
        unit = folder_translated(tmp_path, 16)
        unit()
        unit()
        assert len(list((tmp_path / "out").glob("*.png"))) == 3

    def test_the_ratio_is_the_share_of_time_in_which_the_model_works(self, call: Call) -> None:
        (record,) = Folder(name="folder", size=256).records(call, [{FOLDER: Measured(1.25, 1.0)}])
        assert record.ours_s == pytest.approx(0.0125)
        assert record.ratio is not None
        assert record.ratio.median == pytest.approx(0.8)


class TestStartUp:
    def test_it_is_the_difference_of_each_round(self, call: Call) -> None:
        task = StartUp(name="startup", preset="munit", size=256)
        seconds = [(1.0, 3.5), (2.0, 3.0), (1.0, 2.5)]
        rounds = [{IMPORT: Measured(a, 1.0), TRANSLATE: Measured(b, 1.0)} for a, b in seconds]
        (record,) = task.records(call, rounds)
        assert record.ours_s == 1.5

    def test_a_command_that_fails_is_no_measurement(self) -> None:
        with pytest.raises(startup.subprocess.CalledProcessError):
            startup.command(["-c", "raise SystemExit(1)"])()


def test_a_whole_run_writes_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "NUM_PICTURES", 2)
    assert main(["--only", "data", "--rounds", "2", "--threads", "1", "--out", str(tmp_path / "out")]) == 0
    (record,) = json.loads((tmp_path / "out" / "speed.json").read_text(encoding="utf-8"))
    assert record["task"] == "data"
    assert capsys.readouterr().out.startswith("data: ")


def test_the_product_of_matrices_is_measured_in_each_precision() -> None:
    made = {name: make.keywords["precision"] for name, make in products(("fp32", "bf16"), "cpu").items()}
    assert made == {"product fp32": "fp32", "product bf16": "bf16"}
