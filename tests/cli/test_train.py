"""From what is typed after `unpaired train` to a job, or to all that is wrong with it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpaired.cli.app import main
from unpaired.errors import UsageError, UserError
from unpaired.presets import munit, munit_small
from unpaired.training.job import TrainCall, flag_overrides, prepare, start

TINY = (
    "model.generator.dim=4",
    "model.generator.mlp_dim=8",
    "model.generator.style_dim=2",
    "model.generator.num_res_blocks=1",
    "model.discriminator.dim=4",
    "model.discriminator.num_layers=2",
    "model.discriminator.num_scales=1",
    "samples.num_inputs=2",
    "log.tensorboard=false",
)
SMALL_FLAGS = {"size": "16", "steps": "2", "device": "cpu"}


@pytest.fixture
def data(tmp_path) -> Path:
    draw = np.random.default_rng(0)
    for name in ("trainA", "trainB", "testA"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(3):
            pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{index}.png")
    return tmp_path / "data"


def call(data: Path | None, *, flags=SMALL_FLAGS, **how) -> TrainCall:
    folders = () if data is None else (data,)
    return TrainCall(**{"folders": folders, "sets": TINY, "flags": flag_overrides(flags), **how})


def messages(typed: TrainCall) -> list[str]:
    with pytest.raises(UserError) as error:
        prepare(typed)
    assert all(problem.hint for problem in error.value.problems)
    return [str(problem) for problem in error.value.problems]


@pytest.fixture
def run(data, tmp_path) -> Path:
    """A finished run of two steps."""
    return start(prepare(call(data, out=tmp_path / "run"))).folder


def test_flags_preset_file_and_sets_are_merged_in_that_order_of_strength(data, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("steps: 10\nseed: 10\nbatch_size: 10\nema_decay: 0.5\n", encoding="utf-8")
    typed = call(data, config_file=file, sets=(*TINY, "seed=20", "batch_size=20"), flags=SMALL_FLAGS | {"batch": "30"})
    config = prepare(replace(typed, preset="munit-small")).config
    assert (config.ema_decay, config.seed, config.batch_size, config.steps) == (0.5, 20, 30, 2)
    assert config.checkpoints == munit_small().checkpoints


def test_the_model_alone_means_the_preset_of_its_name(data):
    assert prepare(call(data, model="munit")).config.optimizer == munit().optimizer


def test_a_data_folder_gives_all_four_folders(data):
    job = prepare(call(data))
    assert (len(job.folders.a), len(job.folders.b), len(job.folders.test_a), len(job.folders.test_b)) == (3, 3, 3, 0)


@pytest.mark.parametrize(("text", "size"), [("16", (16, 16)), ("16x32", (16, 32)), ("32X16", (32, 16))])
def test_sizes(data, text, size):
    assert prepare(call(data, flags=SMALL_FLAGS | {"size": text})).config.data.size == size


def test_all_problems_of_a_call_come_together(data, tmp_path):
    (data / "trainB" / "1.png").write_bytes(b"torn")
    typed = call(
        data,
        flags={"steps": "many", "size": "64xx", "batch": "0", "device": "gpu"},
        sets=("model.generator.dmi=3", "nonsense"),
        preset="munit-smal",
        out=data,
    )
    found = "\n".join(messages(typed))
    for expected in ("--steps: 'many'", "--size", "--batch: 0", "--device: 'gpu'", "model.generator.dmi", "nonsense",
                     "--preset munit-smal", "1.png", "--out"):  # fmt: skip
        assert expected in found


def test_a_size_that_the_network_cannot_take_names_those_it_can(data):
    with pytest.raises(UsageError, match="16x16 or 20x20"):
        prepare(call(data, flags=SMALL_FLAGS | {"size": "18"}))


def test_nothing_given_at_all():
    assert messages(call(None))[0].startswith("No folders of pictures were given")


def test_unknown_model():
    assert any("--model munnit" in message for message in messages(call(None, model="munnit")))


def test_nothing_is_made_when_something_is_wrong(data, tmp_path):
    messages(call(data, flags={"steps": "0"}, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_resume_takes_the_runs_own_settings_and_a_new_number_of_steps(run):
    job = prepare(TrainCall(resume=run, flags=flag_overrides({"steps": "3"})))
    assert job.resume == run / "checkpoints" / "last.safetensors"
    assert job.config.steps == 3
    assert job.config.model.generator.dim == 4
    assert start(job).step == 3


def test_resume_refuses_what_would_make_it_another_run(run):
    typed = TrainCall(
        resume=run,
        sets=("model.generator.dim=8", "data.flip=false"),
        flags=flag_overrides({"steps": "9", "batch": "7", "seed": "1"}),
        preset="munit",
        out=run,
    )
    found = "\n".join(messages(typed))
    for expected in ("model.generator.dim 8", "data.flip False", "--batch 7", "--seed 1", "--preset munit", "--out"):
        assert expected in found


def test_resume_may_lower_the_learning_rates_as_the_error_of_a_diverged_run_says(run):
    typed = TrainCall(resume=run, sets=("optimizer.lr_generator=5e-5",), flags=flag_overrides({"steps": "3"}))
    assert prepare(typed).config.optimizer.lr_generator == 5e-5


@pytest.mark.parametrize("on", [True, False])
def test_resume_may_need_less_memory_or_be_faster(data, tmp_path, on):
    before = start(prepare(call(data, flags=SMALL_FLAGS | {"recompute": str(not on)}, out=tmp_path / "before"))).folder
    job = prepare(TrainCall(resume=before, sets=(f"recompute={on}",), flags=flag_overrides({"steps": "3"})))
    assert job.config.recompute == on
    assert start(job).step == 3


def test_resume_of_a_finished_run_says_so(run):
    assert f"{run}: is already trained for 2 of 2 steps" in messages(TrainCall(resume=run))[0]


def test_resume_of_another_model_names_both(run):
    found = messages(TrainCall(resume=run, model="ugatit", flags=flag_overrides({"steps": "3"})))
    assert any("--model" in message and "ugatit" in message for message in found)


def test_resume_of_nothing(tmp_path, run):
    assert "is not a run folder" in messages(TrainCall(resume=tmp_path / "nothing"))[0]
    (run / "checkpoints" / "last.safetensors").unlink()
    assert "no such file" in messages(TrainCall(resume=run))[0]


def test_init_starts_from_a_bundles_weights(data, run, tmp_path):
    job = prepare(call(data, init=run, out=tmp_path / "second"))
    assert job.init is not None
    from unpaired import tensorfile

    start(job)
    _, trained = tensorfile.read(run / "checkpoints" / "last.safetensors")
    name = "generators.a.mlp.0.weight"
    _, second = tensorfile.read(tmp_path / "second" / "checkpoints" / "last.safetensors")
    distance = (second[name] - trained["ema.a.mlp.0.weight"]).abs().max()
    assert distance < 1e-3  # two steps of 1e-4 away, where another draw would be 1 away


def test_init_from_other_networks_says_what_to_set(data, run, tmp_path):
    wider = call(data, init=run, out=tmp_path / "second", sets=(*TINY, "model.generator.dim=8"))
    with pytest.raises(UsageError, match=r"--set model\.generator\.dim=4"):
        prepare(wider)


def test_a_profile_is_no_setting_of_the_run(data, run):
    flags = flag_overrides({"steps": "5"})
    job = prepare(TrainCall(resume=run, flags=flags, profile="1"))
    assert job.num_profiled == 1
    assert job.config == prepare(TrainCall(resume=run, flags=flags)).config


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"profile": "0"}, "--profile 0: is not allowed"),
        ({"profile": "some"}, "--profile some: is not allowed"),
        ({"profile": "1"}, "--profile 1: needs 3 steps, 2 of them to warm up; there are 2"),
        ({"profile": "1", "dry_run": True}, "--profile 1: does not go with --dry-run"),
    ],
)
def test_profiles_that_cannot_be_made_are_refused(data, typed, said):
    found = messages(call(data, flags=SMALL_FLAGS | {"batch": "0"}, **typed))
    assert any(said in message for message in found), found
    assert any("--batch" in message for message in found), "with everything else that is wrong"


def test_a_resume_has_to_have_steps_left_for_a_profile(run):
    found = messages(TrainCall(resume=run, flags=flag_overrides({"steps": "4"}), profile="1"))
    assert "there are 2" in found[0]


def test_dry_run_prints_a_plan_and_makes_nothing(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sets = [word for setting in TINY for word in ("--set", setting)]
    assert main(["train", str(data), "--size", "16", "--steps", "50", "--device", "cpu", *sets, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "runs" in out
    assert not (tmp_path / "runs").exists()


def test_a_run_whose_last_checkpoint_is_torn_goes_on_from_a_snapshot(data, tmp_path):
    from unpaired import tensorfile

    sets = (*TINY, "checkpoints.snapshot_every_steps=1")
    run = start(prepare(call(data, out=tmp_path / "run", sets=sets))).folder
    last, snapshot = (run / "checkpoints" / name for name in ("last.safetensors", "step-00000001.safetensors"))
    expected = {name: tensor.clone() for name, tensor in tensorfile.read(last)[1].items()}
    last.unlink()  # the newest snapshot is a second name of the same file
    last.write_bytes(b"torn")
    torn = messages(TrainCall(resume=run))[0]
    assert f"--resume {snapshot.with_name('step-00000002.safetensors')}" in torn
    result = start(prepare(TrainCall(resume=snapshot)))
    assert (result.folder, result.step) == (run, 2)
    _, tensors = tensorfile.read(last)
    assert all(tensor.equal(expected[name]) for name, tensor in tensors.items())
