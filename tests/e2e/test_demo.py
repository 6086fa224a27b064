"""The first thing that anybody runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import unpaired.demo
from unpaired.cli.demo import GRID_NAME
from unpaired.errors import UserError

pytestmark = pytest.mark.xdist_group("demo")  # one process, so that the demo runs once
ARCHIVE = Path(unpaired.demo.__file__).with_name("pictures.zip")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which `unpaired demo --steps 3` was run, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "unpaired", "demo", "--steps", "3"]
    return folder, subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_ends_well_and_says_where_to_look(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, result = ran
    assert result.returncode == 0, result.stderr
    run = folder / "runs" / "0001-munit-edges2emoji"
    assert (run / "index.html").resolve().as_uri() in result.stdout
    assert len([line for line in result.stdout.splitlines() if line.startswith("  unpaired ")]) == 2


def test_the_pictures_are_there_to_look_at(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    data = ran[0] / "demo_data" / "edges2emoji"
    assert sorted(p.name for p in data.iterdir()) == ["testA", "testB", "trainA", "trainB"]
    assert all(any(folder.iterdir()) for folder in data.iterdir())


def test_the_page_shows_translations_in_several_styles(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    run = ran[0] / "runs" / "0001-munit-edges2emoji"
    (grid,) = (run / "samples").glob(f"{GRID_NAME}-*.png")
    assert grid.name in (run / "index.html").read_text(encoding="utf-8")


def test_the_commands_to_try_next_work(
    ran: tuple[Path, subprocess.CompletedProcess[str]], run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, result = ran
    monkeypatch.chdir(folder)
    translate, train = (line.split()[1:] for line in result.stdout.splitlines() if line.startswith("  unpaired "))
    assert run(*translate, "--device", "cpu", "--out", "translated").code == 0
    assert run(*train, "--device", "cpu", "--dry-run").code == 0


def test_bundled_pictures_are_small_and_of_one_size() -> None:
    assert ARCHIVE.stat().st_size < 2_000_000
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert archive.testzip() is None
        sizes = {Image.open(archive.open(name)).size for name in archive.namelist()}
    assert len(sizes) == 1
    assert max(max(size) for size in sizes) <= 64


def test_training_folders_share_no_emoji() -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = [name.split("/") for name in archive.namelist()]
    a, b, test = ({name for folder, name in names if folder == which} for which in ("trainA", "trainB", "testA"))
    assert not a & b
    assert not (a | b) & test


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        unpaired.demo.unpack(tmp_path / "file")
