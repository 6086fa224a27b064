from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unpaired.faces.sheet import MISSING, UNUSED, USED, Box, Section, Tile, contact_sheet


def places(sheet: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """The (row, column) of the pixels of exactly this colour."""
    return np.argwhere((np.asarray(sheet) == colour).all(axis=2))


def sheet_of(*boxes: Box, size: tuple[int, int] = (100, 50), count: int = 1, caption: str = "a.png") -> Image.Image:
    return contact_sheet([Section("heading", [Tile(Image.new("RGB", size), boxes, caption)] * count)])


def test_the_box_keeps_its_place_and_shape_in_the_picture() -> None:
    sheet = sheet_of((20, 10, 60, 30))
    black, green = places(sheet, (0, 0, 0)), places(sheet, USED)
    top, left = black.min(axis=0)
    side = black.max(axis=0)[1] - left + 1
    found = [
        v * 100 / side for v in (*(green.min(axis=0) - (top, left))[::-1], *(green.max(axis=0) - (top, left))[::-1])
    ]
    assert found == pytest.approx([20, 10, 60, 30], abs=1)


def test_the_face_that_is_used_is_green_and_drawn_over_the_others() -> None:
    alone = len(places(sheet_of((20, 10, 60, 30)), USED))
    both = sheet_of((20, 10, 60, 30), (21, 11, 62, 33))
    assert len(places(both, USED)) == alone
    assert len(places(both, UNUSED)) > 20
    assert not len(places(both, MISSING))


def test_a_picture_without_a_face_is_framed() -> None:
    assert len(places(sheet_of(), MISSING)) > 400
    assert not len(places(sheet_of(), USED))


def test_a_box_beyond_the_picture_is_drawn_along_its_border() -> None:
    assert len(places(sheet_of((-50, -50, 500, 500)), USED)) > 400


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (3000, 2), (7, 5)])
def test_pictures_of_any_shape_fit(size: tuple[int, int]) -> None:
    assert sheet_of((0, 0, 1, 1), size=size).size == sheet_of().size


def test_long_names_stay_in_their_cell() -> None:
    short, long = sheet_of(count=2), sheet_of(count=2, caption="sub/" + "x" * 300 + ".png")
    assert short.size == long.size


def test_more_pictures_make_it_higher_not_wider() -> None:
    one, many = sheet_of(), sheet_of(count=30)
    assert one.width == many.width
    assert many.height > 3 * one.height / 1.5
    assert len(places(many, (0, 0, 0))) == 30 * len(places(one, (0, 0, 0)))
