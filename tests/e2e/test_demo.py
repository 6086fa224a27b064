"""The first thing that anybody runs."""

from __future__ import annotations

import os
import shlex
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

ARCHIVE = Path(unpaired.demo.__file__).with_name("pictures.zip")


def test_a_first_run(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "unpaired", "demo", "--steps", "3"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr

    folder = tmp_path / "runs" / "0001-munit-noto2twemoji"
    assert (folder / "index.html").resolve().as_uri() in ran.stdout, "it says where to look"
    (grid,) = (folder / "samples").glob(f"{GRID_NAME}-*.png")
    assert grid.name in (folder / "index.html").read_text(encoding="utf-8"), "the page shows the translations"
    data = tmp_path / "demo_data" / "noto2twemoji"
    assert sorted(p.name for p in data.iterdir()) == ["testA", "testB", "trainA", "trainB"]
    assert all(any(folder.iterdir()) for folder in data.iterdir()), "the pictures are there to look at"

    shown = [
        shlex.split(line, posix=os.name != "nt") for line in ran.stdout.splitlines() if line.startswith("  unpaired ")
    ]
    assert [words[1] for words in shown] == ["translate", "train"]
    assert run(*shown[0][1:], "--device", "cpu", "--out", "translated").code == 0
    assert run(*shown[1][1:], "--device", "cpu", "--dry-run").code == 0


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
