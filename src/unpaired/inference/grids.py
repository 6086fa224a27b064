"""Labelled grids of pictures as one picture: of samples in training, of translations in an evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from unpaired.models.base import Grid
from unpaired.tensorfile import replace_file

GAP_PX = 2
LABEL_MARGIN_PX = 4
SMALL_PX = 64  # pictures up to this side are enlarged …
SHOWN_PX = 128  # … to about this side
SMALLEST_LETTERS_PX = 12
LARGEST_LETTERS_PX = 28
PAPER = (255, 255, 255)
INK = (40, 40, 40)


def write_grid(grid: Grid, path: Path) -> Path:
    """Write `grid` as PNG to `path`, which is returned, with its title as PNG text, so that a page can show it.

    An older file at `path` stays whole until the new one is complete. Raises `UserError` when the disk is full or the
    folder cannot be written.
    """
    assert len(grid.column_labels) == grid.pictures.shape[1], "one label a column"
    sheet = draw_grid(grid)
    text = PngInfo()
    text.add_itxt("Title", grid.title)
    num_bytes = sheet.width * sheet.height * 3
    replace_file(path, lambda temporary: sheet.save(temporary, format="PNG", pnginfo=text), num_bytes)
    return path


def draw_grid(grid: Grid) -> Image.Image:
    """`grid` as one RGB picture: a strip with the column labels above rows of pictures with thin gaps.

    Pictures with sides of at most 64 pixels are enlarged by a whole factor, without smoothing.
    """
    num_rows, num_columns, _, height, width = grid.pictures.shape
    factor = enlargement(height, width)
    cell = (width * factor, height * factor)
    strip = _Strip(grid.column_labels, cell[0])
    sheet = Image.new("RGB", (_length(num_columns, cell[0]), strip.height + _length(num_rows, cell[1])), PAPER)
    strip.draw_on(sheet)
    pixels = _to_bytes(grid.pictures)
    for row, column in itertools.product(range(num_rows), range(num_columns)):
        picture = Image.fromarray(pixels[row, column].numpy()).resize(cell, Image.Resampling.NEAREST)
        sheet.paste(picture, (column * (cell[0] + GAP_PX), strip.height + row * (cell[1] + GAP_PX)))
    return sheet


def enlargement(height: int, width: int) -> int:
    """The whole factor by which pictures of `height` × `width` pixels are enlarged so that a person can see them."""
    longest = max(height, width)
    return SHOWN_PX // longest if longest <= SMALL_PX else 1


class _Strip:
    """The column labels, each wrapped into its column's width; the letters are larger above larger pictures."""

    def __init__(self, labels: Sequence[str], column_width: int) -> None:
        self._column_width = column_width
        self._size = min(max(column_width // 8, SMALLEST_LETTERS_PX), LARGEST_LETTERS_PX)
        self._font = ImageFont.load_default(size=self._size)
        self._labels = [self._wrapped(label) for label in labels]
        num_lines = max((len(lines) for lines in self._labels), default=0)
        self.height = num_lines * self._line_height + 2 * LABEL_MARGIN_PX if num_lines else 0

    @property
    def _line_height(self) -> int:
        return self._size + LABEL_MARGIN_PX

    def draw_on(self, sheet: Image.Image) -> None:
        """Write the labels at the top of `sheet`, each centred above its column."""
        draw = ImageDraw.Draw(sheet)
        for column, lines in enumerate(self._labels):
            left = column * (self._column_width + GAP_PX)
            for number, line in enumerate(lines):
                x = left + max(0.0, (self._column_width - self._font.getlength(line)) / 2)
                draw.text((x, LABEL_MARGIN_PX + number * self._line_height), line, fill=INK, font=self._font)

    def _wrapped(self, label: str) -> list[str]:
        """`label` as lines that fit, broken between words; a word that is too long is cut."""
        lines: list[str] = []
        for word in label.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self._fits(longer):
                lines[-1] = longer
            else:
                lines.append(self._cut(word))
        return lines

    def _cut(self, word: str) -> str:
        """`word`, or as much of its beginning as fits with an ellipsis."""
        if self._fits(word):
            return word
        end = next((n for n in range(len(word) - 1, 0, -1) if self._fits(f"{word[:n]}…")), 1)
        return f"{word[:end]}…"

    def _fits(self, text: str) -> bool:
        return self._font.getlength(text) <= self._column_width - 2 * LABEL_MARGIN_PX


def _length(count: int, size: int) -> int:
    """The length of `count` cells of `size` pixels with gaps between them."""
    return count * (size + GAP_PX) - GAP_PX


def _to_bytes(pictures: Tensor) -> Tensor:
    """`pictures` (rows, columns, 3, H, W) in [-1, 1] as bytes (rows, columns, H, W, 3); never stretched."""
    scaled = (pictures.detach().float().cpu() + 1.0) * 127.5
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2).contiguous()
