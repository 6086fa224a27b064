import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from PIL import Image

from unpaired import tensorfile
from unpaired.errors import UserError
from unpaired.training import loop
from unpaired.training.runs import make_folder


def train(config, folders, path, **how):
    run = make_folder(path)
    run.write_config(config)
    return run, loop.train(config, folders, run, **how)


def final_tensors(run):
    return tensorfile.read(run.last_checkpoint)


def test_a_run_leaves_everything_that_its_folder_promises(config, picture_folders, tmp_path):
    run, result = train(config, picture_folders, tmp_path / "run")
    assert (result.step, result.exit_code, result.folder) == (4, 0, run.path)
    for name in ("config.yaml", "log.txt", "metrics.jsonl", "index.html", "checkpoints/last.safetensors"):
        assert (run.path / name).is_file(), name
    steps = sorted({path.stem.rpartition("-")[2] for path in run.samples.glob("*.png")})
    assert steps == ["00000000", "00000002", "00000004"]
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert {"loss_generator", "generator/style_b", "pictures_per_second", "memory_mib"} <= lines[0].keys()


@pytest.mark.parametrize("threads", [1, 2])
def test_two_plus_two_steps_are_four_bit_for_bit(config, picture_folders, tmp_path, torch_threads, threads):
    torch_threads(threads)
    unbroken, _ = train(config, picture_folders, tmp_path / "unbroken")
    run, _ = train(replace(config, steps=2), picture_folders, tmp_path / "resumed")
    _, result = train(config, picture_folders, run.path, resume=run.last_checkpoint)
    assert result.step == 4
    (header, tensors), (_, expected) = final_tensors(run), final_tensors(unbroken)
    assert header["step"] == 4
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors.items())
    for grid in unbroken.samples.glob("*.png"):
        assert Image.open(run.samples / grid.name).tobytes() == Image.open(grid).tobytes()


def test_the_first_rows_of_all_grids_stay_the_same(config, picture_folders, tmp_path):
    run, _ = train(config, picture_folders, tmp_path / "run")
    first, last = (Image.open(run.samples / f"a2b_random_styles-{step:08d}.png") for step in (0, 4))
    inputs = (0, 0, 100, first.height)
    assert first.crop(inputs).tobytes() == last.crop(inputs).tobytes()
    assert first.tobytes() != last.tobytes()


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_a_precision_that_makes_it_slower_is_said_once(
    config, picture_folders, tmp_path, monkeypatch, capsys, precision
):
    asked = []
    monkeypatch.setattr(loop, "slower_than_needed", lambda *how: asked.append(how) or "the other is faster here")
    run, result = train(replace(config, precision=precision, steps=2), picture_folders, tmp_path / "run")
    assert (result.step, result.exit_code) == (2, 0), "it trains all the same"
    assert asked == [(torch.device("cpu"), precision)]
    assert (run.path / "log.txt").read_text(encoding="utf-8").count("the other is faster here") == 1
    assert "the other is faster here" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_names_the_resume_command(
    config, picture_folders, tmp_path, monkeypatch, capsys, number, exit_code
):
    real_step = loop.train_step

    def step_with_signal(state, batch, faces):
        values = real_step(state, batch)
        if state.step == 3:
            os.kill(os.getpid(), number)
        return values

    monkeypatch.setattr(loop, "train_step", step_with_signal)
    endless = replace(config, steps=10_000, self_check=False)
    run, result = train(endless, picture_folders, tmp_path / "run")
    assert (result.step, result.exit_code) == (3, exit_code)
    assert final_tensors(run)[0]["step"] == 3
    assert f"unpaired train --resume {run.path}" in capsys.readouterr().out


def test_a_non_finite_loss_keeps_the_last_good_checkpoint(config, picture_folders, tmp_path, monkeypatch):
    real_step = loop.train_step

    def step_that_breaks(state, batch, faces):
        if state.step == 3:
            with torch.no_grad():
                next(state.method.generators.a.parameters()).fill_(float("nan"))
        return real_step(state, batch)

    monkeypatch.setattr(loop, "train_step", step_that_breaks)
    run = make_folder(tmp_path / "run")
    run.write_config(config)
    with pytest.raises(UserError, match="Step 3"):
        loop.train(config, picture_folders, run)
    header, tensors = final_tensors(run)
    assert header["step"] == 2
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_snapshots_come_at_their_steps(config, picture_folders, tmp_path):
    checkpoints = replace(config.checkpoints, every_steps=100, snapshot_every_steps=1, keep=2)
    run, _ = train(replace(config, checkpoints=checkpoints), picture_folders, tmp_path / "run")
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert names == ["last.safetensors", "step-00000003.safetensors", "step-00000004.safetensors"]


def test_a_long_run_checks_itself_first_and_then_starts_from_the_same_point(
    config, picture_folders, tmp_path, monkeypatch
):
    plain, _ = train(config, picture_folders, tmp_path / "plain")
    monkeypatch.setattr(loop, "MIN_STEPS", 1)
    checked, _ = train(config, picture_folders, tmp_path / "checked")
    assert "Self-check passed" in (checked.path / "log.txt").read_text(encoding="utf-8")
    (_, expected), (_, tensors) = final_tensors(plain), final_tensors(checked)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors.items())


def test_a_finished_run_has_nothing_to_resume(config, tmp_path):
    with pytest.raises(UserError, match="already trained for 4 of 4"):
        loop.require_steps_left(config, make_folder(tmp_path / "run"), 4)
