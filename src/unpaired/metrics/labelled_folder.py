"""A folder with a sub-folder of pictures for each label, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.dataset import read_resized
from unpaired.data.images import BadPicture, Size, check_picture
from unpaired.data.listing import Listing, list_pictures, sub_folders
from unpaired.data.problems import (
    bad_pictures_problem,
    folder_problem,
    is_smaller,
    small_pictures_problem,
    too_few_problem,
    unreadable_problems,
)
from unpaired.data.threads import in_threads
from unpaired.data.transforms import centre_crop, resized_size
from unpaired.errors import Problem, UserError, raise_if_any

MIN_LABELS = 2
MIN_PICTURES = 2
"""Of each label: one to learn from while the other is held out."""


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures with the number of their label among `labels`, which are sorted."""

    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    targets: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of pictures of each label."""
        return tuple(self.targets.count(number) for number in range(len(self.labels)))

    def read(self, paths: Sequence[Path], view: DataConfig) -> Tensor:
        """The pictures at `paths` (N, 3, H, W) in bytes, resized and cropped in the middle as `view` says.

        Raises `UserError` for one that cannot be read any more.
        """

        def read_one(path: Path) -> Tensor:
            picture = read_resized(path, view)
            return centre_crop((picture.shape[1], picture.shape[2]), view.size).of(picture)

        try:
            return torch.stack(list(in_threads(read_one, paths)))
        except BadPicture as bad:
            raise UserError(f"{bad} now, it was whole at the start", "Leave it out, and call again.") from bad


def open_labelled(folder: Path, view: DataConfig) -> LabelledPictures:
    """The pictures of the sub-folders of `folder`, each decoded once. Raises `UsageError` with all that is wrong."""
    raise_if_any([problem] if (problem := folder_problem(str(folder), folder)) else [])
    listings = {name: list_pictures(folder / name) for name in sub_folders(folder)}
    listings = {name: listing for name, listing in listings.items() if listing.pictures or listing.unreadable}
    problems = [] if len(listings) >= MIN_LABELS else [_few_labels(folder, tuple(listings))]
    for listing in listings.values():
        problems += [*unreadable_problems(str(listing.folder), listing), *_picture_problems(listing, view)]
    raise_if_any(problems)
    pairs = [(path, number) for number, listing in enumerate(listings.values()) for path in listing.pictures]
    return LabelledPictures(tuple(listings), tuple(path for path, _ in pairs), tuple(number for _, number in pairs))


def _few_labels(folder: Path, names: Sequence[str]) -> Problem:
    return Problem(
        f"{folder}: {f'only the sub-folder {names[0]} holds pictures' if names else 'no sub-folder holds pictures'}",
        f"Make a sub-folder for each mode, {MIN_LABELS} or more, such as {folder / 'cat'} and {folder / 'lion'}.",
    )


def _picture_problems(listing: Listing, view: DataConfig) -> list[Problem]:
    """What is wrong with the pictures of one label."""
    name = str(listing.folder)
    checked = dict(zip(listing.pictures, in_threads(_size, listing.pictures), strict=True))
    bad = [result for result in checked.values() if isinstance(result, BadPicture)]
    small = {
        path: size
        for path, size in checked.items()
        if not isinstance(size, BadPicture) and is_smaller(resized_size(size, view), view.size)
    }
    few = too_few_problem(name, listing, len(listing.pictures), MIN_PICTURES)
    problems = [few] if few else []
    if bad:
        problems.append(bad_pictures_problem(name, listing, bad))
    if small:
        problems.append(small_pictures_problem(name, listing, small, view.size, "Take larger ones."))
    return problems


def _size(path: Path) -> Size | BadPicture:
    try:
        return check_picture(path)
    except BadPicture as bad:
        return bad
