"""What `unpaired data check` tells of folders of pictures: sizes, formats, copies, problems."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.folders import MIN_PICTURES
from unpaired.data.images import BadPicture, Size, as_rgb, opened
from unpaired.data.listing import Listing, counted, list_pictures
from unpaired.data.problems import (
    bad_pictures_problem,
    is_smaller,
    small_pictures_problem,
    too_few_problem,
    unreadable_problems,
)
from unpaired.data.threads import in_threads
from unpaired.errors import Problem

MAX_NAMED_COPIES = 3
_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Facts:
    """What is known of a whole picture. Pictures of equal `digest` have the same pixels."""

    path: Path
    size: Size
    format: str
    digest: bytes


@dataclass(frozen=True)
class Survey:
    """A folder whose pictures have all been decoded. `name` is what messages call it."""

    name: str
    is_for_training: bool
    listing: Listing
    facts: tuple[Facts, ...]
    bad: tuple[BadPicture, ...]

    def sizes(self) -> list[Size]:
        """The (height, width) of every whole picture, by growing area."""
        return sorted((facts.size for facts in self.facts), key=lambda size: (size[0] * size[1], size))

    def formats(self) -> Counter[str]:
        """How many whole pictures there are of each file format."""
        return Counter(facts.format for facts in self.facts)

    def common_size(self) -> tuple[Size, int]:
        """The most frequent (height, width), and how many pictures have it."""
        return Counter(self.sizes()).most_common(1)[0]


def survey(
    name: str, folder: Path, *, is_for_training: bool = True, on_progress: Callable[[int, int], None] | None = None
) -> Survey:
    """What lies in `folder`. `on_progress` is told how many pictures are done, and of how many."""
    listing = list_pictures(folder)
    facts: list[Facts] = []
    bad: list[BadPicture] = []
    for num_done, result in enumerate(in_threads(_facts, listing.pictures), start=1):
        if isinstance(result, BadPicture):
            bad.append(result)
        else:
            facts.append(result)
        if on_progress:
            on_progress(num_done, len(listing.pictures))
    return Survey(name, is_for_training, listing, tuple(facts), tuple(bad))


def survey_problems(surveys: Sequence[Survey], size: Size | None) -> list[Problem]:
    """What would stop or spoil a training with pictures of `size` (height, width), folder by folder."""
    found = []
    for item in surveys:
        found += unreadable_problems(item.name, item.listing)
        if item.bad:
            found.append(bad_pictures_problem(item.name, item.listing, item.bad))
        num_needed = MIN_PICTURES if item.is_for_training else 1
        few = too_few_problem(item.name, item.listing, len(item.facts), num_needed)
        found += [few] if few and not item.bad else []
        found += _small_problem(item, size)
    return found + _shared_problems(surveys)


def copies_within(item: Survey) -> list[str]:
    """Notes on the pictures of a folder that have the same pixels: one line, or none."""
    groups = [names for names in _by_digest([item]).values() if len(names) > 1]
    num_copies = sum(len(names) - 1 for names in groups)
    if not num_copies:
        return []
    named = ", ".join(f"{names[0][1]} = {names[1][1]}" for names in groups[:MAX_NAMED_COPIES])
    return [f"{item.name}: {counted(num_copies, 'picture')} with the same pixels as another, such as {named}"]


def _facts(path: Path) -> Facts | BadPicture:
    try:
        with opened(path) as image:
            file_format = image.format or "unknown"
            picture = as_rgb(image, _WHITE)
    except BadPicture as bad:
        return bad
    digest = hashlib.blake2b(picture.tobytes(), digest_size=16, salt=f"{picture.width}".encode())
    return Facts(path, (picture.height, picture.width), file_format, digest.digest())


def _small_problem(item: Survey, size: Size | None) -> list[Problem]:
    if size is None:
        return []
    small = {f.path: f.size for f in item.facts if is_smaller(f.size, size)}
    if not small:
        return []
    return [small_pictures_problem(item.name, item.listing, small, size, "Training enlarges them: they get blurred.")]


def _shared_problems(surveys: Sequence[Survey]) -> list[Problem]:
    """Pictures that lie in more than one folder, for each set of folders that share some."""
    groups: dict[tuple[str, ...], list[list[tuple[str, str]]]] = defaultdict(list)
    for names in _by_digest(surveys).values():
        folders = tuple(dict.fromkeys(folder for folder, _ in names))
        if len(folders) > 1:
            groups[folders].append(names)
    return [_shared_problem(folders, shared) for folders, shared in groups.items()]


def _shared_problem(folders: Sequence[str], shared: Sequence[Sequence[tuple[str, str]]]) -> Problem:
    one_of_each = [dict(reversed(names)) for names in shared[:MAX_NAMED_COPIES]]
    named = ", ".join(" = ".join(f"{folder}/{names[folder]}" for folder in folders) for names in one_of_each)
    return Problem(
        f"{' and '.join(folders)} share {counted(len(shared), 'picture')} (same pixels)",
        f"Such as {named}. Keep each picture in one folder.",
    )


def _by_digest(surveys: Iterable[Survey]) -> dict[bytes, list[tuple[str, str]]]:
    """The (folder, name) of the pictures with each digest, in the order of the folders."""
    found: dict[bytes, list[tuple[str, str]]] = defaultdict(list)
    for item in surveys:
        for facts in item.facts:
            found[facts.digest].append((item.name, item.listing.name(facts.path)))
    return found
