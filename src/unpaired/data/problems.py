"""What is said of folders and pictures that cannot be used: the same words in training and in `unpaired data`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from unpaired.data.images import PICTURE_SUFFIXES, BadPicture, Size
from unpaired.data.listing import Listing, counted, sub_folders
from unpaired.errors import Problem, did_you_mean

MAX_NAMED_BAD = 10
MAX_NAMED_SMALL = 3

_ARCHIVE_SUFFIXES = frozenset({".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar"})


def folder_problem(name: str, path: Path) -> Problem | None:
    """Why `path`, which messages call `name`, is not a folder that can be read; None when it is."""
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return Problem(f"{name}: there is no such folder", _near_names(path))
    except OSError as error:
        return Problem(f"{name}: cannot be opened ({error.strerror})", "Check the path and its permissions.")
    if not is_folder:
        packed = path.suffix.lower() in _ARCHIVE_SUFFIXES
        return Problem(f"{name}: is a file, not a folder", "Unpack it first." if packed else "Give its folder.")
    if not os.access(path, os.R_OK | os.X_OK):
        return Problem(f"{name}: no permission to read it", "Change its permissions, or copy it.")
    return None


def bad_pictures_problem(name: str, listing: Listing, bad: Sequence[BadPicture]) -> Problem:
    """What to say of the pictures of `listing` that cannot be read; messages call the folder `name`."""
    named = [f"{listing.name(picture.path)}: {picture.reason}" for picture in bad[:MAX_NAMED_BAD]]
    if len(bad) > MAX_NAMED_BAD:
        named.append(f"and {len(bad) - MAX_NAMED_BAD:,} more")
    return Problem(
        f"{name}: {len(bad):,} of {counted(len(listing.pictures), 'picture')} cannot be read",
        "\n  ".join([*named, "Mend or delete them, or leave them out with --skip-bad."]),
    )


def small_pictures_problem(
    name: str, listing: Listing, small: Mapping[Path, Size], size: Size, way_out: str
) -> Problem:
    """What to say of the pictures in `small`, with their own sizes, that are smaller than `size`."""
    named = [f"{listing.name(path)} ({height}x{width})" for path, (height, width) in small.items()][:MAX_NAMED_SMALL]
    more = len(small) - len(named)
    return Problem(
        f"{name}: {len(small):,} of {counted(len(listing.pictures), 'picture')} smaller than the crop of "
        f"{size[0]}x{size[1]} pixels (height x width)",
        f"{', '.join(named)}{f' and {more:,} more' if more else ''}.\n  {way_out}",
    )


def too_few_problem(name: str, listing: Listing, num_good: int, num_needed: int) -> Problem | None:
    """What to say when only `num_good` pictures of `listing` can be used; None when these are enough."""
    if num_good >= num_needed:
        return None
    if not listing.pictures:
        others = listing.others_in_words()
        suffixes = " ".join(sorted(PICTURE_SUFFIXES))
        return Problem(f"{name}: holds no pictures{f' ({others})' if others else ''}", f"Pictures are {suffixes}.")
    if num_good == 0:
        return Problem(
            f"{name}: none of {counted(len(listing.pictures), 'picture')} can be read", "Mend or replace them."
        )
    return Problem(
        f"{name}: holds one picture only{' that can be read' if len(listing.pictures) > 1 else ''}",
        f"It takes at least {num_needed}, and hundreds to learn well.",
    )


def unreadable_problems(name: str, listing: Listing) -> list[Problem]:
    """What to say of sub-folders that cannot be opened."""
    return [
        Problem(f"{name}: the folder {path} cannot be opened", "Change its permissions, or take it out.")
        for path in listing.unreadable
    ]


def is_smaller(size: Size, crop: Size) -> bool:
    """Whether a picture of `size` has no part of the size `crop`."""
    return size[0] < crop[0] or size[1] < crop[1]


def _near_names(path: Path) -> str:
    """A hint for a `path` that does not exist: the nearest folder beside it."""
    parent = path.parent
    if not parent.is_dir() or not os.access(parent, os.R_OK | os.X_OK):
        return "Check the path."
    hint = did_you_mean(path.name, sub_folders(parent))
    return hint if hint.startswith("Did") else "Check the path."
