"""`unpaired data`: look at folders of pictures, split them into training and test parts, draw edges, find faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from unpaired.cli.data_faces import faces
from unpaired.cli.progress_bar import progress_bar
from unpaired.errors import Problem, UsageError, UserError, raise_if_any

if TYPE_CHECKING:
    from rich.table import Table

    from unpaired.data.survey import Survey

app = App(name="data", help="Look at folders of pictures, split them, make edge maps, find faces.")
app.command(faces)


@app.command
def check(*folders: Path, size: str | None = None) -> None:
    """Decode every picture and show counts, sizes, formats, copies and problems. Exit code 1 when there are problems.

    Parameters
    ----------
    folders
        One folder that holds trainA and trainB (and testA, testB), or the two folders of a and b.
    size
        Also name the pictures smaller than this: pixels, or HEIGHTxWIDTH.
    """
    from rich.console import Console

    from unpaired.data.folders import TRAINING, locate
    from unpaired.data.survey import copies_within, survey, survey_problems

    located, problems = locate(folders)
    if not folders:
        problems.append(
            Problem("No folders of pictures were given", "For example: unpaired data check photos paintings")
        )
    wanted = _size(size, problems)
    raise_if_any(problems)
    surveys = []
    for domain, path in located.items():
        name = Path(path).name if len(folders) == 1 else path
        with progress_bar(f"Decoding {path}") as on_progress:
            surveys.append(survey(name, Path(path), is_for_training=domain in TRAINING, on_progress=on_progress))
    Console().print(_table(surveys))
    for line in (line for item in surveys for line in copies_within(item)):
        print(f"note: {line}")
    found = survey_problems(surveys, wanted)
    if found:
        raise UserError.of(found)
    print("No problems found.")


@app.command
def split(*folders: Path, test: float = 0.1, seed: int = 0) -> None:
    """Copy pictures into a new folder OUT, split at random: A_DIR B_DIR OUT makes trainA testA trainB testB there.

    Folders with the same file names get the same test pictures. With one source, SRC OUT, it makes train and test.

    Parameters
    ----------
    folders
        One or two folders of pictures, then the new folder.
    test
        Fraction of the pictures that go into the test part.
    seed
        Another seed draws another test part.
    """
    if len(folders) not in (2, 3):
        raise UsageError(
            f"data split takes two or three folders, not {len(folders)}",
            "For example: unpaired data split photos paintings OUT   or: unpaired data split photos OUT",
        )
    from unpaired.data import prepare

    *sources, out = folders
    with progress_bar("Copying") as on_progress:
        counts = prepare.split(sources, out, test=test, seed=seed, on_progress=on_progress)
    print(f"{out}: " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))


@app.command
def edges(
    source: Path,
    out: Path,
    /,
    *,
    low: float = 20.0,
    high: float = 60.0,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Draw the edges of every picture in SOURCE, black on white, as PNG files in the new folder OUT.

    Parameters
    ----------
    source
        A folder of pictures, searched with its sub-folders.
    out
        A new folder. Relative paths are kept.
    low
        Lower threshold of Canny's method: lower draws longer edges.
    high
        Upper threshold: lower draws more edges.
    skip_bad
        Leave out pictures that cannot be read instead of stopping.
    """
    from unpaired.data import prepare

    with progress_bar("Drawing edges") as on_progress:
        num_drawn = prepare.edges(source, out, low=low, high=high, skip_bad=skip_bad, on_progress=on_progress)
    print(f"{out}: {num_drawn:,} edge maps")


def _size(text: str | None, problems: list[Problem]) -> tuple[int, int] | None:
    """The (height, width) that `text` means, such as 256 or 256x512."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        problems.append(
            Problem(f"--size {text}: is not a size", "Write pixels, such as 256, or 256x512 (height x width).")
        )
        return None
    return int(sides[0]), int(sides[-1])


def _table(surveys: Sequence[Survey]) -> Table:
    """A column for each folder."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, caption="Sizes are height x width in pixels.", caption_justify="left")
    table.add_column("")
    for item in surveys:
        table.add_column(item.name, overflow="fold")
    columns = [_column(item) for item in surveys]
    for fact in columns[0]:
        table.add_row(fact, *(column[fact] for column in columns))
    return table


def _column(item: Survey) -> dict[str, str]:
    from unpaired.data.listing import by_frequency

    sizes = item.sizes()
    by_area = {"smallest": sizes[:1], "median": sizes[len(sizes) // 2 :][:1], "largest": sizes[-1:]}
    return {
        "pictures": f"{len(item.listing.pictures):,}",
        "cannot be read": f"{len(item.bad):,}",
        **{name: " ".join(f"{height}x{width}" for height, width in found) for name, found in by_area.items()},
        "most common": _common_size(item),
        "formats": by_frequency(item.formats()),
        "other files": by_frequency(item.listing.others),
    }


def _common_size(item: Survey) -> str:
    if not item.facts:
        return ""
    (height, width), count = item.common_size()
    return f"{height}x{width} ({count / len(item.facts):.0%})"
