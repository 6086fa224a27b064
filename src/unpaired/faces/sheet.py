"""A contact sheet: pictures side by side with the faces that were found in them, to see at a glance what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

Box = tuple[float, float, float, float]

COLUMNS = 8
TILE_PX = 144
GAP_PX = 12
TEXT_PX = 13
HEAD_PX = 20
LINE_PX = 4

GROUND, INK, FAINT = (250, 250, 250), (40, 40, 40), (120, 120, 120)
USED, UNUSED, MISSING = (0, 170, 80), (240, 170, 0), (214, 40, 40)


@dataclass(frozen=True)
class Tile:
    """A picture with the boxes (left, top, right, bottom; pixels) of its faces, the one that is used first."""

    picture: Image.Image
    boxes: Sequence[Box]
    caption: str


@dataclass(frozen=True)
class Section:
    """Pictures under a heading."""

    heading: str
    tiles: Sequence[Tile]


def contact_sheet(sections: Sequence[Section]) -> Image.Image:
    """The pictures of all `sections`: used faces in green, others in yellow, pictures without a face framed in red."""
    width = COLUMNS * (TILE_PX + GAP_PX) + GAP_PX
    heights = [_height(section) for section in sections]
    sheet = Image.new("RGB", (width, sum(heights) + GAP_PX), GROUND)
    top = GAP_PX
    for section, height in zip(sections, heights, strict=True):
        _draw_section(sheet, section, top)
        top += height
    return sheet


def _height(section: Section) -> int:
    num_rows = -(-len(section.tiles) // COLUMNS)
    return HEAD_PX + GAP_PX + num_rows * _row_px() + GAP_PX


def _row_px() -> int:
    return TILE_PX + TEXT_PX + GAP_PX


def _draw_section(sheet: Image.Image, section: Section, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP_PX, top), section.heading, fill=INK, font=ImageFont.load_default(HEAD_PX))
    for number, tile in enumerate(section.tiles):
        row, column = divmod(number, COLUMNS)
        left = GAP_PX + column * (TILE_PX + GAP_PX)
        _draw_tile(sheet, tile, left, top + HEAD_PX + GAP_PX + row * _row_px())


def _draw_tile(sheet: Image.Image, tile: Tile, left: int, top: int) -> None:
    """The picture in the middle of its cell, its caption below."""
    drawn = _with_boxes(tile)
    sheet.paste(drawn, (left + (TILE_PX - drawn.width) // 2, top + (TILE_PX - drawn.height) // 2))
    font = ImageFont.load_default(TEXT_PX)
    caption = tile.caption
    while font.getlength(caption) > TILE_PX:
        caption = f"…{caption.removeprefix('…')[1:]}"  # the end of a path tells more than its beginning
    ImageDraw.Draw(sheet).text((left, top + TILE_PX), caption, fill=FAINT, font=font)


def _with_boxes(tile: Tile) -> Image.Image:
    """The picture as large as a cell allows, its shape kept, with its boxes."""
    scale = TILE_PX / max(tile.picture.size)
    width, height = (max(1, round(side * scale)) for side in tile.picture.size)
    drawn = tile.picture.resize((width, height), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(drawn)
    for number, box in reversed(list(enumerate(tile.boxes))):
        # a box that reaches beyond the picture is drawn along its border
        corners = [min(max(side * scale, 0), (width, height)[k % 2] - 1) for k, side in enumerate(box)]
        draw.rectangle(corners, outline=UNUSED if number else USED, width=2)
    if not tile.boxes:
        draw.rectangle((0, 0, width - 1, height - 1), outline=MISSING, width=LINE_PX)
    return drawn
