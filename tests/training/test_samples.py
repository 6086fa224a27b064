from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from unpaired.errors import UserError
from unpaired.models.base import Grid
from unpaired.training.samples import write_grids


def grid(name: str = "a2b") -> Grid:
    values = torch.linspace(-1.5, 1.5, 2 * 3 * 3 * 32 * 32)
    return Grid(name, "Each row is one input", values.reshape(2, 3, 3, 32, 32), ("one", "two", "three"))


def test_file_names_hold_grid_and_step(tmp_path: Path) -> None:
    paths = write_grids([grid(name="a2b"), grid(name="b2a")], tmp_path / "samples", step=1200)
    assert [path.name for path in paths] == ["a2b-00001200.png", "b2a-00001200.png"]
    assert sorted(tmp_path.glob("samples/*")) == paths, "no temporary file stays"


def test_the_title_travels_in_the_file(tmp_path: Path) -> None:
    [path] = write_grids([grid()], tmp_path, step=0)
    with Image.open(path) as picture:
        assert picture.info["Title"] == "Each row is one input"


def test_same_grid_gives_the_same_bytes(tmp_path: Path) -> None:
    [first] = write_grids([grid()], tmp_path / "1", step=5)
    [second] = write_grids([grid()], tmp_path / "2", step=5)
    assert first.read_bytes() == second.read_bytes()


def test_a_folder_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        write_grids([grid()], tmp_path / "file", step=1)
