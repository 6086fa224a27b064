from __future__ import annotations

from pathlib import Path

import pytest

from unpaired.cli.app import main
from unpaired.cli.config import settings_of
from unpaired.config import RunConfig, load
from unpaired.config_fields import fields_of
from unpaired.presets import PRESETS


def test_every_setting_and_preset_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    out = capsys.readouterr().out
    for path, kind, _, _ in fields_of(RunConfig):
        assert (f"{path}: " if kind == "section" else f"  {path} = ") in out
    for name in PRESETS:
        assert f"\n  {name} " in out


def test_one_setting_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "model.generator.dim"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("model.generator.dim: Channels after the first convolution")
    assert ["default", "64"] in [line.split() for line in lines]
    assert ["demo", "16"] in [line.split() for line in lines]
    assert not any(line.split()[0] == "munit-128" for line in lines), "only presets with another value are listed"


def test_a_section_lists_its_settings_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "optimizer"]) == 0
    out = capsys.readouterr().out
    assert "optimizer.betas = [0.5, 0.999]" in out
    assert "data." not in out


def test_values_are_those_of_the_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "data", "--preset", "munit-64"]) == 0
    assert "data.size = [64, 64]" in capsys.readouterr().out


def test_settings_of_a_section_that_is_off_show_their_defaults() -> None:
    settings = {setting.path: setting for setting in settings_of(RunConfig())}
    assert settings["model.mixup"].value is None
    assert settings["model.mixup.alpha"].value == 0.2


@pytest.mark.parametrize("preset", PRESETS)
def test_the_yaml_of_a_preset_is_a_config_file(preset: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["config", "--preset", preset, "--yaml"]) == 0
    file = tmp_path / "run.yaml"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load(file) == PRESETS[preset]().fitted()


@pytest.mark.parametrize(
    ("arguments", "names", "way_out"),
    [
        (["config", "model.generator.dims"], "model.generator.dims", 'Did you mean "model.generator.dim"?'),
        (["config", "style_dim"], "style_dim", "Did you mean model.generator.style_dim?"),
        (["config", "--preset", "munit64"], "--preset munit64", 'Did you mean "munit-64"?'),
    ],
)
def test_mistakes(arguments: list[str], names: str, way_out: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert names in err.splitlines()[0]
    assert way_out in err


def test_a_narrow_terminal_gets_short_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["config", "data"]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 60
