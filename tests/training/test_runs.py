from dataclasses import replace
from pathlib import Path

from unpaired.config import DataConfig
from unpaired.training.runs import RunFolder, make_folder, plan_folder


def test_runs_are_numbered_and_named_after_model_and_data(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pets = replace(config, data=DataConfig(a="pets/cats", b="pets/dogs"))
    emoji = replace(config, data=DataConfig(a="emoji/trainA", b="emoji/trainB"))
    assert plan_folder(pets, None) == (Path("runs/0001-munit-cats2dogs"), [])
    make_folder(Path("runs/0041-other"))
    assert plan_folder(emoji, None) == (Path("runs/0042-munit-emoji"), [])


def test_planning_makes_nothing(config, tmp_path):
    assert plan_folder(config, tmp_path / "new") == (tmp_path / "new", [])
    assert not (tmp_path / "new").exists()


def test_a_folder_with_a_run_or_with_anything_else_is_a_problem(config, tmp_path):
    run = make_folder(tmp_path / "run")
    run.write_config(config)
    assert "already a run" in str(plan_folder(config, run.path)[1][0])
    assert "--resume" in str(plan_folder(config, run.path)[1][0])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert "not an empty folder" in str(plan_folder(config, tmp_path / "full")[1][0])
    assert "not an empty folder" in str(plan_folder(config, tmp_path / "full" / "x")[1][0])


def test_the_config_comes_back_as_saved(config, tmp_path):
    run = make_folder(tmp_path / "run")
    run.write_config(config)
    assert run.read_config() == config


def test_the_resume_command_can_be_pasted_into_a_shell():
    assert RunFolder(Path("runs/my run")).resume_command == "unpaired train --resume 'runs/my run'"
