"""Sample grids as picture files: what a person looks at to see whether training works."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from unpaired.models.base import Grid
from unpaired.tensorfile import replace_file

GAP_PX = 2
LABEL_SIZE_PX = 13
LABEL_MARGIN_PX = 4
SMALL_PX = 64  # pictures up to this side are enlarged …
SHOWN_PX = 128  # … to about this side
PAPER = (255, 255, 255)
INK = (40, 40, 40)


def write_grids(grids: Sequence[Grid], folder: Path, step: int) -> list[Path]:
    """The files written into `folder`, one a grid: `<name>-<step, 8 digits>.png`.

    Each file carries the grid's title as PNG text, so that a page can show it. An older file of the same name stays
    whole until the new one is complete. Raises `UserError` when the disk is full or the folder cannot be written.
    """
    return [_write(grid, folder / f"{grid.name}-{step:08d}.png") for grid in grids]


def draw_grid(grid: Grid) -> Image.Image:
    """`grid` as one RGB picture: a strip with the column labels above rows of pictures with thin gaps.

    Pictures with sides of at most 64 pixels are enlarged by a whole factor, without smoothing.
    """
    num_rows, num_columns, _, height, width = grid.pictures.shape
    factor = enlargement(height, width)
    cell_height, cell_width = height * factor, width * factor
    labels = [_wrapped(label, cell_width) for label in grid.column_labels]
    strip = _strip_height(labels)
    sheet = Image.new(
        "RGB",
        (num_columns * (cell_width + GAP_PX) - GAP_PX, strip + num_rows * (cell_height + GAP_PX) - GAP_PX),
        PAPER,
    )
    for column, label in enumerate(labels):
        _draw_label(sheet, label, column * (cell_width + GAP_PX), cell_width)
    pixels = _to_bytes(grid.pictures)
    for row in range(num_rows):
        for column in range(num_columns):
            cell = Image.fromarray(pixels[row, column].numpy()).resize(
                (cell_width, cell_height), Image.Resampling.NEAREST
            )
            sheet.paste(cell, (column * (cell_width + GAP_PX), strip + row * (cell_height + GAP_PX)))
    return sheet


def enlargement(height: int, width: int) -> int:
    """The whole factor by which pictures of `height` × `width` pixels are enlarged so that a person can see them."""
    longest = max(height, width)
    return SHOWN_PX // longest if longest <= SMALL_PX else 1


def _write(grid: Grid, path: Path) -> Path:
    assert len(grid.column_labels) == grid.pictures.shape[1], "one label a column"
    sheet = draw_grid(grid)
    text = PngInfo()
    text.add_itxt("Title", grid.title)
    num_bytes = sheet.width * sheet.height * 3
    replace_file(path, lambda temporary: sheet.save(temporary, format="PNG", pnginfo=text), num_bytes)
    return path


def _to_bytes(pictures: Tensor) -> Tensor:
    """`pictures` (rows, columns, 3, H, W) in [-1, 1] as bytes (rows, columns, H, W, 3); never stretched."""
    scaled = (pictures.detach().float().cpu() + 1.0) * 127.5
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2).contiguous()


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=LABEL_SIZE_PX)


def _wrapped(label: str, width_px: int) -> list[str]:
    """`label` as lines that fit into `width_px`, broken between words; a word that is too long is cut."""
    font, room = _font(), max(1, width_px - 2 * LABEL_MARGIN_PX)
    lines: list[str] = []
    for word in label.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(_cut(word, room))
    return lines


def _cut(word: str, room_px: int) -> str:
    """`word`, or as much of its beginning as fits into `room_px` with an ellipsis."""
    font = _font()
    if font.getlength(word) <= room_px:
        return word
    end = next((n for n in range(len(word) - 1, 0, -1) if font.getlength(word[:n] + "…") <= room_px), 1)
    return word[:end] + "…"


def _line_height() -> int:
    return LABEL_SIZE_PX + LABEL_MARGIN_PX


def _strip_height(labels: Sequence[Sequence[str]]) -> int:
    num_lines = max((len(lines) for lines in labels), default=0)
    return num_lines * _line_height() + 2 * LABEL_MARGIN_PX if num_lines else 0


def _draw_label(sheet: Image.Image, lines: Sequence[str], left: int, width: int) -> None:
    """Write `lines` centred above the column that starts at `left`; the last one stands just above the pictures."""
    draw, font = ImageDraw.Draw(sheet), _font()
    for number, line in enumerate(lines):
        x = left + (width - font.getlength(line)) / 2
        draw.text((max(left, x), LABEL_MARGIN_PX + number * _line_height()), line, fill=INK, font=font)
