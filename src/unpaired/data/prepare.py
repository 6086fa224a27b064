"""Making training folders: split pictures into training and test parts, draw the edges of pictures."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unpaired.data.folders import MIN_PICTURES
from unpaired.data.images import BadPicture, read_picture
from unpaired.data.listing import Listing, list_pictures
from unpaired.data.problems import bad_pictures_problem, folder_problem, too_few_problem, unreadable_problems
from unpaired.data.sampler import mixed_seed
from unpaired.data.threads import in_threads
from unpaired.errors import Problem, UserError, raise_if_any

PARTS_OF_ONE = ("train", "test")
PARTS_OF_TWO = (("trainA", "testA"), ("trainB", "testB"))

_WHITE = (255, 255, 255)

Progress = Callable[[int, int], None]


def split(
    sources: Sequence[Path], out: Path, *, test: float, seed: int, on_progress: Progress | None = None
) -> dict[str, int]:
    """How many pictures were copied to each new folder in `out`: trainA testA trainB testB; train test of one source.

    The fraction `test` of each source is drawn by the names of the pictures: folders with the same names (edges and
    their photos) get the same test part. Raises `UserError`; then nothing is left behind.
    """
    assert len(sources) in (1, 2), sources
    listings, problems = _listings(sources, out)
    if not 0 < test < 1:
        problems.append(Problem(f"--test {test}: is not between 0 and 1", "For example 0.1 for a tenth."))
    raise_if_any(problems)
    parts = [PARTS_OF_ONE] if len(sources) == 1 else PARTS_OF_TWO
    copies: list[tuple[Path, str]] = []
    for listing, (train_part, test_part) in zip(listings, parts, strict=True):
        chosen = _test_part(listing, test, seed)
        copies += [(p, f"{test_part if p in chosen else train_part}/{listing.name(p)}") for p in listing.pictures]
    with _new_folder(out) as folder:
        for num_done, (source, name) in enumerate(copies, start=1):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
            if on_progress:
                on_progress(num_done, len(copies))
    return dict(Counter(name.split("/")[0] for _, name in copies))


def edges(
    source: Path,
    out: Path,
    *,
    low: float,
    high: float,
    skip_bad: bool = False,
    on_progress: Progress | None = None,
) -> int:
    """The number of edge maps written to `out`: a PNG for each picture in `source`, under its relative path.

    Raises `UserError`; then nothing is left behind.
    """
    listings, problems = _listings([source], out, num_needed=1)
    if not 0 <= low <= high:
        problems.append(
            Problem(
                f"--low {low:g} --high {high:g}: need 0 <= low <= high", "An edge starts at high and goes on to low."
            )
        )
    raise_if_any(problems)
    listing = listings[0]
    names = _png_names(listing)
    bad: list[BadPicture] = []
    with _new_folder(out) as folder:
        drawn = in_threads(lambda path: _draw_edges(path, folder / names[path], low, high), listing.pictures)
        for num_done, result in enumerate(drawn, start=1):
            bad += [result] if result else []
            if on_progress:
                on_progress(num_done, len(names))
        if bad and not skip_bad:
            raise UserError.of([bad_pictures_problem(str(source), listing, bad)])
    return len(names) - len(bad)


def edge_map(picture: NDArray[np.uint8], low: float, high: float) -> NDArray[np.uint8]:
    """Black edges on white (H, W) of the RGB `picture` (H, W, 3).

    Canny with the thresholds `low` and `high` on each channel after a 3x3 Gaussian blur; an edge of any channel counts.
    """
    blurred = cv2.GaussianBlur(picture, (3, 3), 0)
    found = [cv2.Canny(np.ascontiguousarray(blurred[..., channel]), low, high) for channel in range(3)]
    return np.asarray(255 - np.max(found, axis=0), dtype=np.uint8)


def _listings(
    sources: Sequence[Path], out: Path, num_needed: int = MIN_PICTURES
) -> tuple[list[Listing], list[Problem]]:
    """The pictures in each of `sources`, and what is wrong with them or with writing to `out`."""
    listings: list[Listing] = []
    problems: list[Problem] = []
    for source in sources:
        problem = folder_problem(str(source), source)
        if problem:
            problems.append(problem)
            continue
        listing = list_pictures(source)
        few = too_few_problem(str(source), listing, len(listing.pictures), num_needed)
        problems += [*unreadable_problems(str(source), listing), *([few] if few else [])]
        listings.append(listing)
    return listings, [*problems, *_out_problems(out, sources)]


def _out_problems(out: Path, sources: Sequence[Path]) -> list[Problem]:
    if out.is_file():
        return [Problem(f"OUT {out}: is a file", "Name a new folder.")]
    if out.is_dir() and any(out.iterdir()):
        return [Problem(f"OUT {out}: exists and is not empty", "Name a new folder, the last of the arguments.")]
    if any(source.resolve() in (out.resolve(), *out.resolve().parents) for source in sources):
        return [Problem(f"OUT {out}: lies inside the pictures that are read", "Name a folder outside of them.")]
    return []


def _test_part(listing: Listing, fraction: float, seed: int) -> set[Path]:
    """The pictures of the test part: those whose names give the lowest random numbers."""
    num_all = len(listing.pictures)
    num_test = min(max(1, round(num_all * fraction)), num_all - 1)

    def key(path: Path) -> int:
        return mixed_seed("split", seed, Path(listing.name(path)).with_suffix("").as_posix())

    return set(sorted(listing.pictures, key=key)[:num_test])


def _png_names(listing: Listing) -> Mapping[Path, str]:
    """Where the edge map of each picture goes. Only x.jpg beside x.png keep their suffix: x.jpg.png and x.png.png."""
    short = {path: Path(listing.name(path)).with_suffix(".png").as_posix() for path in listing.pictures}
    uses = Counter(name.lower() for name in short.values())
    return {path: name if uses[name.lower()] == 1 else f"{listing.name(path)}.png" for path, name in short.items()}


def _draw_edges(source: Path, target: Path, low: float, high: float) -> BadPicture | None:
    try:
        picture = read_picture(source, _WHITE)
    except BadPicture as bad:
        return bad
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(edge_map(np.asarray(picture), low, high)).save(target)
    return None


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill that takes the name `out` when the block ends well, and is removed otherwise."""
    partial = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        if out.is_dir():
            out.rmdir()  # empty, as was checked; some systems do not rename over it
        partial.rename(out)
    except OSError as error:
        raise UserError(
            f"OUT {out}: writing stopped ({error.strerror}: {error.filename or partial}); nothing was left behind",
            "Free space on that disk, check permissions, or name another folder.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
