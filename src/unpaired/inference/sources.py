"""Which pictures a call translates, and where their results go: one place for each, whatever the names."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unpaired.data.images import BadPicture, Size, check_picture
from unpaired.data.listing import counted, list_pictures
from unpaired.data.problems import MAX_NAMED_BAD, folder_problem, too_few_problem, unreadable_problems
from unpaired.data.threads import in_threads
from unpaired.errors import Problem, did_you_mean

_MAX_LABEL_BYTES = 140


@dataclass(frozen=True)
class Source:
    """A picture to translate. `label` is where its results lie below the output folder, without style and suffix."""

    path: Path
    label: PurePosixPath
    size: Size


def find_sources(arguments: Sequence[Path], out: Path) -> tuple[list[Source], list[Problem]]:
    """The pictures that files and folders in `arguments` name, each decoded once, and everything wrong with them.

    Folders are searched with their sub-folders; what lies below `out`, results of earlier calls, is left out.
    """
    places: dict[Path, tuple[Path, PurePosixPath]] = {}  # by real path: a picture that is named twice counts once
    problems: list[Problem] = []
    for argument, prefix in zip(arguments, _prefixes(arguments), strict=True):
        pictures, wrong = _listed(argument, out)
        problems += wrong
        for path, place in pictures:
            places.setdefault(path.resolve(), (path, prefix / place))
    paths = [path for path, _ in places.values()]
    labels = unique_labels([place for _, place in places.values()])
    sizes = list(in_threads(_size, paths))
    sources = [
        Source(path, label, size)
        for path, label, size in zip(paths, labels, sizes, strict=True)
        if not isinstance(size, BadPicture)
    ]
    return sources, [*problems, *_bad_problem([size for size in sizes if isinstance(size, BadPicture)], len(paths))]


def unique_labels(places: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """A label for each of `places` (relative paths of pictures): the path without its suffix where that is unique.

    Otherwise the suffix stays part of the name, and then a number. Labels differ by more than letters' case and
    composition of accents, which some file systems ignore.
    """
    stems = [place.with_name(_label_name(place.stem)) for place in places]
    counts = Counter(_folded(stem) for stem in stems)
    labels: list[PurePosixPath | None] = [stem if counts[_folded(stem)] == 1 else None for stem in stems]
    taken = {_folded(label) for label in labels if label is not None}
    for index, place in enumerate(places):
        if labels[index] is None:
            labels[index] = _free_label(place, taken)
    return [label for label in labels if label is not None]


def shortened(text: str, max_bytes: int) -> str:
    """The beginning of `text` with at most `max_bytes` bytes: file systems allow 255 for a name.

    What is not Unicode in a name, as Linux allows, is left out.
    """
    return text.encode(errors="surrogateescape")[:max_bytes].decode(errors="ignore")


def _label_name(name: str) -> str:
    return shortened(name, _MAX_LABEL_BYTES).strip(".") or "picture"


def _free_label(place: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """A label for `place` that is not in `taken`, to which it is added."""
    named = place.with_name(_label_name(place.name.replace(".", "_")))
    label, number = named, 2
    while _folded(label) in taken:
        label, number = named.with_name(f"{named.name}_{number}"), number + 1
    taken.add(_folded(label))
    return label


def _folded(label: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(label)).casefold())


def _prefixes(arguments: Sequence[Path]) -> list[PurePosixPath]:
    """Where the pictures of each argument go below the output folder: with several folders, each keeps its name."""
    folders = [argument for argument in arguments if argument.is_dir()]
    if len(folders) < 2:
        return [PurePosixPath() for _ in arguments]
    return [PurePosixPath(argument.resolve().name) if argument.is_dir() else PurePosixPath() for argument in arguments]


def _listed(argument: Path, out: Path) -> tuple[list[tuple[Path, PurePosixPath]], list[Problem]]:
    """The pictures that `argument` names with their place in it, and what is wrong with it."""
    if not argument.is_dir():
        missing = _missing(argument)
        return ([], [missing]) if missing else ([(argument, PurePosixPath(argument.name))], [])
    problem = folder_problem(str(argument), argument)
    if problem:
        return [], [problem]
    if argument.resolve() == out.resolve():
        hint = "The next call would take the results as inputs: choose another folder with --out."
        return [], [Problem(f"--out {out}: is the folder of the inputs", hint)]
    listing = list_pictures(argument)
    results = out.resolve()
    pictures = [path for path in listing.pictures if results not in path.resolve().parents]
    empty = too_few_problem(str(argument), listing, len(pictures), num_needed=1)
    places = [(path, PurePosixPath(listing.name(path))) for path in pictures]
    return places, [*unreadable_problems(str(argument), listing), *([empty] if empty else [])]


def _missing(path: Path) -> Problem | None:
    if path.exists():
        return None
    near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
    return Problem(f"{path}: there is no such file or folder", near if near.startswith("Did") else "Check the path.")


def _size(path: Path) -> Size | BadPicture:
    try:
        return check_picture(path)
    except BadPicture as bad:
        return bad


def _bad_problem(bad: Sequence[BadPicture], num_all: int) -> list[Problem]:
    if not bad:
        return []
    named = [f"{picture.path}: {picture.reason}" for picture in bad[:MAX_NAMED_BAD]]
    if len(bad) > MAX_NAMED_BAD:
        named.append(f"and {len(bad) - MAX_NAMED_BAD:,} more")
    lines = [*named, "Mend them or leave them out."]
    return [Problem(f"{len(bad):,} of {counted(num_all, 'input')} cannot be read", "\n  ".join(lines))]
