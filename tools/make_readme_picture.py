"""Makes the README's picture: held-out pictures, and their translations in random styles and in those of examples.

    python tools/make_readme_picture.py RUN DATA_DIR OUT.png

One held-out picture of a (evenly spaced over testA) a column. Rows: the picture; four random styles; three styles of
example pictures of b, which stand at the left of their rows.
"""

import sys
from pathlib import Path

from PIL import Image

import unpaired

NUM_INPUTS = 10
NUM_STYLES = 4
SEED = 1
EXAMPLES = (3, 21, 37)  # evenly spaced held-out pictures of b, in three colours
CELL_PX = 96
GAP_PX = 6


def main() -> None:
    """Translate and write the picture."""
    run, data, out = (Path(argument) for argument in sys.argv[1:4])
    translator = unpaired.load(run)
    inputs = [opened(path) for path in spaced(data / "testA", NUM_INPUTS)]
    examples = [opened(spaced(data / "testB", 48)[index]) for index in EXAMPLES]
    columns = [translator.translate(x, to="b", num_styles=NUM_STYLES, seed=SEED) for x in inputs]
    guided = [translator.translate(x, to="b", style=examples) for x in inputs]
    rows = [[None, *inputs]]
    rows += [[None, *row] for row in zip(*columns, strict=True)]
    rows += [[example, *row] for example, row in zip(examples, zip(*guided, strict=True), strict=True)]
    sheet(rows).save(out, optimize=True)


def spaced(folder: Path, count: int) -> list[Path]:
    """`count` of the pictures in `folder`, evenly spaced."""
    paths = sorted(folder.iterdir())
    return [paths[index * len(paths) // count] for index in range(count)]


def opened(path: Path) -> Image.Image:
    """The picture at `path`, in RGB."""
    return Image.open(path).convert("RGB")


def sheet(rows: list[list[Image.Image | None]]) -> Image.Image:
    """`rows` of pictures on white, with a gap below the first row and to the right of the first column."""
    step = CELL_PX + 1
    page = Image.new("RGB", (len(rows[0]) * step + GAP_PX, len(rows) * step + 2 * GAP_PX), "white")
    for r, row in enumerate(rows):
        top = r * step + (GAP_PX if r > 0 else 0) + (GAP_PX if r > NUM_STYLES else 0)
        for c, picture in enumerate(row):
            if picture is not None:
                cell = picture.resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
                page.paste(cell, (c * step + (GAP_PX if c > 0 else 0), top))
    return page


if __name__ == "__main__":
    main()
