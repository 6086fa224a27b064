"""Makes the README's first picture with the model that comes with the package.

    python tools/make_demo_picture.py OUT.png [MODEL]

The bundled drawings, which are in no training folder and by another hand, a column each. Rows: the drawing, then four
random styles of the model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

import unpaired
from unpaired import demo

NUM_STYLES = 4
SEED = 3
CELL_PX = 96
GAP_PX = 6


def main() -> None:
    """Translate and write the picture."""
    out, model = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else demo.MODEL
    translator = unpaired.load(model)
    with tempfile.TemporaryDirectory() as folder:
        drawings = [Image.open(path).convert("RGB") for path in sorted(demo.copy_drawings(Path(folder)).iterdir())]
    columns = [
        [drawing, *translator.translate(drawing, to="b", num_styles=NUM_STYLES, seed=SEED)] for drawing in drawings
    ]
    sheet(columns).save(out, optimize=True)


def sheet(columns: list[list[Image.Image]]) -> Image.Image:
    """`columns` of pictures on white, with a gap below the first row."""
    page = Image.new("RGB", (len(columns) * CELL_PX, len(columns[0]) * CELL_PX + GAP_PX), "white")
    for column, pictures in enumerate(columns):
        for row, picture in enumerate(pictures):
            cell = picture.resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
            page.paste(cell, (column * CELL_PX, row * CELL_PX + (GAP_PX if row else 0)))
    return page


if __name__ == "__main__":
    main()
