"""Folders of pictures that some program has translated: which file is which style of which input.

The name of a file begins with that of its input; what follows tells the styles apart: `STEM.png`, `STEM_3.png`,
`STEM-style3.png`, or `STEM/3.png`. A folder for each style is understood too: `3/STEM.png`. So are the names that
`unpaired translate` gives, and those of CycleGAN's code (`STEM_fake_B.png`, without its `real` and `rec` pictures).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unpaired.data.listing import counted, list_pictures
from unpaired.data.problems import folder_problem, too_few_problem, unreadable_problems
from unpaired.errors import Problem
from unpaired.evaluation.data import EvaluationData
from unpaired.models.base import DOMAINS, Domain, other

_OUR_MARK = re.compile(r"(?:^|[-_/ ])to-([ab])(?=$|[-_/ ])")
_OUR_HEAT_MAP = re.compile(r"to-[ab]-attention$")
_CYCLEGAN_MARK = re.compile(r"(?:^|[-_/])(fake|real|rec|idt)_([AB])$")
_FOLDER_MARK = re.compile(r"(?:[ab]2([ab])|to[-_]?([ab]))", re.IGNORECASE)
_PARTS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class TranslatedFolder:
    """A folder of translations: for each direction, by the label of the input, its files in the order of the styles."""

    folder: Path
    files: Mapping[Domain, Mapping[str, tuple[Path, ...]]]


def open_translations(
    folder: Path, data: EvaluationData, to: Sequence[Domain]
) -> tuple[TranslatedFolder | None, list[Problem]]:
    """The translations in `folder` of the held-out pictures of `data` in the directions `to`, and what is wrong.

    Where names do not tell the direction it has to be one that only the names of one domain's pictures fit, or `to` has
    to be one direction.
    """
    if problem := folder_problem(str(folder), folder):
        return None, [problem]
    listing = list_pictures(folder)
    empty = too_few_problem(str(folder), listing, len(listing.pictures), 1)
    problems = [*unreadable_problems(str(folder), listing), *([empty] if empty else [])]
    if problems:
        return None, problems
    names = {path: PurePosixPath(listing.name(path)).with_suffix("").as_posix() for path in listing.pictures}
    files = {d: _by_label(names, data.test[other(d)].labels, d) for d in to}
    files = {d: found for d, found in files.items() if found}
    if not files:
        return None, [_no_match_problem(folder, names, data, to)]
    if len(files) > 1 and _share_files(*files.values()):
        message = f"{folder}: its {counted(len(names), 'picture')} could be translations to a or to b: names fit both"
        return None, [Problem(message, "Say which: --to b. Or put them into sub-folders a2b and b2a.")]
    return TranslatedFolder(folder, files), []


def matched(name: str, labels: Iterable[str]) -> tuple[str, str] | None:
    """The one of `labels` that the file `name` (without suffix) belongs to, and the rest that tells its style.

    The longest label that `name` begins with wins, so that `cat_1` is not a style of `cat` where it is an input.
    """
    known = labels if isinstance(labels, set | frozenset) else set(labels)
    if found := _beginning(name, known):
        return found
    style, slash, rest = name.partition("/")
    found = matched(rest, known) if slash else None
    return (found[0], f"{style}/{found[1]}") if found else None


def _beginning(name: str, labels: set[str] | frozenset[str]) -> tuple[str, str] | None:
    if name in labels:
        return name, ""
    for end in range(len(name) - 1, 0, -1):
        if not name[end].isalnum() and name[:end] in labels:
            return name[:end], name[end + 1 :]
    return None


def _by_label(names: Mapping[Path, str], labels: Sequence[str], to: Domain) -> dict[str, tuple[Path, ...]]:
    """The files of each label that has some, in the order of their styles."""
    known = frozenset(labels)
    found: dict[str, list[tuple[list[str | int], Path]]] = {}
    for path, name in names.items():
        match = matched(name, known)
        if match and _stated(match[1]) in (None, to) and not _is_something_else(match[1]):
            found.setdefault(match[0], []).append((_natural(match[1]), path))
    return {label: tuple(path for _, path in sorted(files, key=lambda f: f[0])) for label, files in found.items()}


def _stated(style: str) -> str | None:
    """The domain that the `style` part of a name says the picture was translated to."""
    if match := _CYCLEGAN_MARK.search(style):
        return match[2].lower()
    if marks := _OUR_MARK.findall(style):
        return str(marks[0])
    for part in style.split("/"):
        if match := _FOLDER_MARK.fullmatch(part):
            return str(match[1] or match[2]).lower()
    return None


def _is_something_else(style: str) -> bool:
    """Whether a file is a heat-map, or another picture of CycleGAN's results than a translation."""
    match = _CYCLEGAN_MARK.search(style)
    return bool(_OUR_HEAT_MAP.search(style)) or (match is not None and match[1] != "fake")


def _share_files(first: Mapping[str, Sequence[Path]], second: Mapping[str, Sequence[Path]]) -> bool:
    files = [{path for paths in found.values() for path in paths} for found in (first, second)]
    return not files[0].isdisjoint(files[1])


def _natural(text: str) -> list[str | int]:
    """A key that sorts `style2` before `style10`. Letters and numbers alternate, so that they never meet."""
    return [int(part) if index % 2 else part for index, part in enumerate(_PARTS.split(text))]


def _no_match_problem(folder: Path, names: Mapping[Path, str], data: EvaluationData, to: Sequence[Domain]) -> Problem:
    wanted = [data.test[other(d)] for d in DOMAINS if d in to]
    where = " or ".join(str(pictures.folder) for pictures in wanted)
    message = (
        f"{folder}: none of {counted(len(names), 'picture')} is named after a picture of {where}; "
        f"the first is {next(iter(names.values()))}"
    )
    stem = wanted[0].labels[0]
    return Problem(message, f"Name translations after their inputs, as {stem}.png, {stem}_3.png or {stem}/3.png.")
