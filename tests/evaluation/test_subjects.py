from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from unpaired.config import DataConfig
from unpaired.data.images import read_picture, to_image, to_uint8
from unpaired.evaluation.subjects import fitted, one_each, to_bytes


def test_rounding_is_that_of_saved_files(tmp_path: Path) -> None:
    pictures = torch.rand(3, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    for index, picture in enumerate(pictures):
        to_image(picture).save(tmp_path / f"{index}.png")
    read = [to_uint8(read_picture(tmp_path / f"{index}.png", (0, 0, 0))) for index in range(3)]
    assert torch.equal(to_bytes(pictures), torch.stack(read))


def test_one_each_takes_the_styles_in_turn() -> None:
    pictures = torch.arange(5 * 3).reshape(5, 3)  # (N, S)
    assert one_each(pictures).tolist() == [0, 4, 8, 9, 13]


def test_pictures_of_the_right_size_are_left_alone() -> None:
    pictures = torch.zeros(2, 3, 8, 6, dtype=torch.uint8)
    assert fitted(pictures, DataConfig(size=(8, 6))) is pictures


def test_larger_pictures_are_covered_and_cropped() -> None:
    picture = Image.radial_gradient("L").convert("RGB").resize((20, 40))
    found = fitted(to_uint8(picture)[None], DataConfig(size=(10, 10)))
    expected = to_uint8(picture.resize((10, 20), Image.Resampling.BILINEAR))[:, 5:15]
    assert torch.equal(found[0], expected)
