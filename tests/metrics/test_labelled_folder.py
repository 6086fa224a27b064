from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unpaired.config import DataConfig
from unpaired.errors import UsageError, UserError
from unpaired.metrics.labelled_folder import open_labelled

VIEW = DataConfig(size=(8, 8))


def save(path: Path, colour: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_sub_folders_are_labels(tmp_path: Path) -> None:
    for name, count in (("red", 3), ("blue", 2)):
        for number in range(count):
            save(tmp_path / name / "deeper" / f"{number}.png")
    save(tmp_path / "beside.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    found = open_labelled(tmp_path, VIEW)
    assert found.labels == ("blue", "red")
    assert found.counts == (2, 3)
    assert [path.parts[-3] for path in found.paths] == [found.labels[target] for target in found.targets]


def test_pictures_are_seen_as_training_sees_them(tmp_path: Path) -> None:
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = (0, 0, 255)
    for name in "xy":
        for number in range(2):
            save(tmp_path / name / f"{number}.png", size=(24, 8))
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    found = open_labelled(tmp_path, VIEW)
    expected = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    expected[:, 2] = 255
    assert torch.equal(found.read(found.paths, VIEW), expected)


@pytest.mark.parametrize(("names", "said"), [((), "no sub-folder holds"), (("red",), "only the sub-folder red holds")])
def test_one_mode_is_too_few(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    for name in names:
        for number in range(2):
            save(tmp_path / name / f"{number}.png")
    with pytest.raises(UsageError, match=said):
        open_labelled(tmp_path, VIEW)


def test_all_that_is_wrong_is_said_together(tmp_path: Path) -> None:
    save(tmp_path / "alone" / "0.png")
    (save(tmp_path / "torn" / "0.png")).write_bytes(b"no picture")
    save(tmp_path / "torn" / "1.png")
    save(tmp_path / "small" / "0.png", size=(5, 5))
    save(tmp_path / "small" / "1.png")
    with pytest.raises(UsageError) as caught:
        open_labelled(tmp_path, DataConfig(size=(8, 8), resize="none"))
    said = [problem.message for problem in caught.value.problems]
    assert len(said) == 3
    assert "alone: holds one picture only" in said[0]
    assert "small: 1 of 2 pictures smaller" in said[1]
    assert "torn: 1 of 2 pictures cannot be read" in said[2]


def test_no_folder_and_a_picture_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        open_labelled(tmp_path / "nowhere", VIEW)
    for name in "xy":
        for number in range(2):
            save(tmp_path / name / f"{number}.png")
    found = open_labelled(tmp_path, VIEW)
    found.paths[0].unlink()
    with pytest.raises(UserError, match="it was whole at the start"):
        found.read(found.paths, VIEW)
