from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unpaired.inference.grids import GAP_PX, draw_grid, enlargement, write_grid
from unpaired.models.base import Grid


def test_a_grid_is_written_with_its_title(tmp_path: Path) -> None:
    path = write_grid(Grid("g", "Each row is one input", torch.zeros(1, 2, 3, 70, 70), ("", "")), tmp_path / "g.png")
    with Image.open(path) as picture:
        assert picture.size == (2 * 70 + GAP_PX, 70)
        assert picture.info["Title"] == "Each row is one input"


def test_pixels_are_not_stretched() -> None:
    pictures = torch.full((1, 1, 3, 128, 128), 0.2)
    sheet = draw_grid(Grid("g", "", pictures, ("",)))
    assert sheet.size == (128, 128), "an empty label takes no strip"
    assert sheet.getextrema() == ((153, 153),) * 3


def test_values_outside_the_range_are_clamped() -> None:
    pictures = torch.stack([torch.full((3, 128, 128), -9.0), torch.full((3, 128, 128), 9.0)])[None]
    sheet = draw_grid(Grid("g", "", pictures, ("", "")))
    assert sheet.getpixel((5, 5)) == (0, 0, 0)
    assert sheet.getpixel((128 + GAP_PX + 5, 5)) == (255, 255, 255)


def test_small_pictures_are_enlarged_without_smoothing() -> None:
    pictures = torch.tensor([-1.0, 1.0]).repeat(32, 16).expand(1, 1, 3, 32, 32)
    sheet = draw_grid(Grid("g", "", pictures, ("",)))
    assert sheet.size == (128, 128)
    assert {color for _, color in sheet.getcolors() or []} == {(0, 0, 0), (255, 255, 255)}


@pytest.mark.parametrize(
    ("size", "factor"), [((64, 64), 2), ((32, 32), 4), ((65, 65), 1), ((64, 128), 1), ((48, 20), 2)]
)
def test_enlargement(size: tuple[int, int], factor: int) -> None:
    assert enlargement(*size) == factor


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(1, 3),
    columns=st.integers(1, 4),
    height=st.integers(1, 130),
    width=st.integers(1, 130),
    label=st.text(max_size=40),
)
def test_any_shape_and_label_can_be_drawn(rows: int, columns: int, height: int, width: int, label: str) -> None:
    pictures = torch.zeros(rows, columns, 3, height, width)
    sheet = draw_grid(Grid("g", "", pictures, (label,) * columns))
    factor = enlargement(height, width)
    assert sheet.width == columns * width * factor + (columns - 1) * GAP_PX
    assert sheet.height >= rows * height * factor + (rows - 1) * GAP_PX


def test_labels_stand_above_their_own_column() -> None:
    pictures = torch.ones(1, 2, 3, 64, 64)
    with_left = draw_grid(Grid("g", "", pictures, ("input", "")))
    dark = [x for x in range(with_left.width) for y in range(20) if with_left.getpixel((x, y)) < (128, 128, 128)]  # type: ignore[operator]
    assert dark, "the label can be seen"
    assert max(dark) < 128
