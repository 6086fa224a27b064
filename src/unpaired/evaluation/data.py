"""The pictures that an evaluation needs: which are translated, which are real, which belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.dataset import read_resized
from unpaired.data.folders import SUB_FOLDERS, PictureFolders
from unpaired.data.images import BadPicture, Size, check_picture
from unpaired.data.listing import Listing, counted, list_pictures, sub_folders
from unpaired.data.problems import (
    MAX_NAMED_BAD,
    folder_problem,
    is_smaller,
    small_pictures_problem,
    too_few_problem,
    unreadable_problems,
)
from unpaired.data.threads import in_threads
from unpaired.data.transforms import centre_crop, resized_size
from unpaired.errors import Problem, UserError
from unpaired.inference.facts import PicturesConfig
from unpaired.inference.sources import unique_labels
from unpaired.models.base import DOMAINS, Domain, other

MIN_PICTURES = 2


@dataclass(frozen=True)
class Pictures:
    """Picture files below `folder`, each with a label: its path in the folder without suffix."""

    folder: Path
    paths: tuple[Path, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def spread(self, count: int) -> Pictures:
        """At most `count` of them, evenly spaced."""
        num = min(count, len(self))
        return self._at([k * len(self) // num for k in range(num)])

    def labelled(self, labels: Iterable[str]) -> Pictures:
        """Those with one of `labels`, in the order of the labels."""
        places = {label: index for index, label in enumerate(self.labels)}
        return self._at([places[label] for label in labels])

    def _at(self, indices: Sequence[int]) -> Pictures:
        return Pictures(self.folder, tuple(self.paths[i] for i in indices), tuple(self.labels[i] for i in indices))


@dataclass(frozen=True)
class EvaluationData:
    """The pictures of both domains: held-out ones, and those of the training where there are any.

    `paired` says whether held-out pictures of one name in both domains show the same. `notes` are for people.
    """

    name: str
    test: Mapping[Domain, Pictures]
    train: Mapping[Domain, Pictures]
    paired: bool = False
    notes: tuple[str, ...] = ()


@dataclass
class _Opened:
    """What was found of a data folder so far."""

    test: dict[Domain, Pictures] = field(default_factory=dict)
    train: dict[Domain, Pictures] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def open_data(folder: Path, *, pairs: bool | None = None) -> tuple[EvaluationData | None, list[Problem]]:
    """The pictures in testA, testB, trainA and trainB of `folder`, and what is wrong with them.

    Where a test folder is missing that of the training takes its place, and a note says so. `pairs` says whether equal
    names in testA and testB are pairs; None: when all names are equal.
    """
    if problem := folder_problem(f"DATA {folder}", folder):
        return None, [problem]
    parts = {key: folder / name for key, name in SUB_FOLDERS.items() if (folder / name).is_dir()}
    missing = [SUB_FOLDERS[f"test_{d}"] for d in DOMAINS if f"test_{d}" not in parts and d not in parts]
    if missing:
        return None, [Problem(f"DATA {folder}: has no {' and no '.join(missing)}", _layout_hint(folder))]
    return data_of(str(folder), parts, pairs=pairs)


def data_of(
    name: str, parts: Mapping[str, Path], *, pairs: bool | None = None
) -> tuple[EvaluationData | None, list[Problem]]:
    """The same from folders by their field of `DataConfig`: a, b, test_a, test_b."""
    found = _Opened()
    for domain in DOMAINS:
        _open_domain(domain, parts, found)
    paired = _are_pairs(found, pairs)
    if found.problems:
        return None, found.problems
    return EvaluationData(name, found.test, found.train, paired, tuple(found.notes)), []


def data_of_run(folders: PictureFolders, data: DataConfig) -> EvaluationData:
    """The pictures of a training, which have been checked when it was opened; equal names of all are pairs."""
    found = _Opened()
    for domain in DOMAINS:
        for key, into in ((domain, found.train), (f"test_{domain}", found.test)):
            paths, folder = getattr(folders, key), getattr(data, key)
            if paths and folder is not None:
                into[domain] = _labelled(Path(folder), paths)
        _without_held_out(domain, found)
    paired = _are_pairs(found, None)
    return EvaluationData("this training's pictures", found.test, found.train, paired, tuple(found.notes))


def view_of(pictures: PicturesConfig) -> DataConfig:
    """How pictures are made ready for a model: resized as in its training, then cropped in the middle.

    A margin that training left for random crops is left out: the middle crop shows the whole picture.
    """
    return DataConfig(size=pictures.size, resize=pictures.resize, background=pictures.background)


def read_pictures(pictures: Pictures, view: DataConfig) -> Tensor:
    """The `pictures` as bytes (N, 3, H, W) of the size of `view`. Raises `UserError` for one that cannot be read."""
    return read_paths(pictures.paths, view)


def read_paths(paths: Sequence[Path], view: DataConfig) -> Tensor:
    """The pictures at `paths` as bytes (N, 3, H, W): see `read_pictures`."""

    def read(path: Path) -> Tensor:
        picture = read_resized(path, view)
        return centre_crop((picture.shape[1], picture.shape[2]), view.size).of(picture)

    try:
        return torch.stack(list(in_threads(read, paths)))
    except BadPicture as bad:
        raise UserError(f"{bad} now, it was whole at the start", "Leave it out, and call again.") from bad


def endless_order(length: int, count: int, seed: int) -> Tensor:
    """`count` indices below `length`: all of them in random order, then all again in another."""
    rng = torch.Generator().manual_seed(seed >> 1)
    orders = [torch.randperm(length, generator=rng) for _ in range(-(-count // length))]
    return torch.cat(orders)[:count]


def picture_problems(groups: Iterable[Pictures], view: DataConfig) -> list[Problem]:
    """What is wrong with the files of `groups`, each decoded once: not a whole picture, or too small for `view`."""
    problems: list[Problem] = []
    for group in {pictures.folder: pictures for pictures in groups}.values():
        checked = dict(zip(group.paths, in_threads(_size, group.paths), strict=True))
        bad = [result for result in checked.values() if isinstance(result, BadPicture)]
        problems += _bad_problem(group, bad)
        small = {
            path: size
            for path, size in checked.items()
            if not isinstance(size, BadPicture) and is_smaller(resized_size(size, view), view.size)
        }
        if small:
            way_out = "A model was trained on pictures that are not enlarged: take these out."
            problems.append(small_pictures_problem(str(group.folder), _listing(group), small, view.size, way_out))
    return problems


def real_pictures(data: EvaluationData, domain: Domain, *, of_training: bool) -> Pictures:
    """The real pictures of `domain` that translations are compared with."""
    return data.train[domain] if of_training and domain in data.train else data.test[domain]


def truth_of(data: EvaluationData, to: Domain, inputs: Pictures) -> Pictures | None:
    """The real picture of domain `to` that belongs to each of `inputs`; None when the data has no pairs."""
    return data.test[to].labelled(inputs.labels) if data.paired else None


def common_labels(inputs: Pictures, found: Sequence[Iterable[str]]) -> list[str]:
    """The labels of `inputs` that are in all of `found`."""
    sets = [set(labels) for labels in found]
    return [label for label in inputs.labels if all(label in labels for labels in sets)]


def _open_domain(domain: Domain, parts: Mapping[str, Path], found: _Opened) -> None:
    for key, into in ((domain, found.train), (f"test_{domain}", found.test)):
        if key in parts:
            pictures, problems = _open_folder(parts[key])
            found.problems += problems
            into[domain] = pictures
    _without_held_out(domain, found)


def _without_held_out(domain: Domain, found: _Opened) -> None:
    """Let the pictures of the training take the place of held-out ones, where there are none, and say so."""
    if domain not in found.test and domain in found.train:
        found.test[domain] = found.train[domain]
        found.notes.append(
            f"there are no held-out pictures of {domain}: those in {found.train[domain].folder} are used, which a "
            "model can have learned by heart"
        )


def _open_folder(folder: Path) -> tuple[Pictures, list[Problem]]:
    name = str(folder)
    if problem := folder_problem(name, folder):
        return Pictures(folder, (), ()), [problem]
    listing = list_pictures(folder)
    few = too_few_problem(name, listing, len(listing.pictures), MIN_PICTURES)
    return _labelled(folder, listing.pictures), [*unreadable_problems(name, listing), *([few] if few else [])]


def _labelled(folder: Path, paths: Sequence[Path]) -> Pictures:
    labels = unique_labels([PurePosixPath(path.relative_to(folder).as_posix()) for path in paths])
    return Pictures(folder, tuple(paths), tuple(label.as_posix() for label in labels))


def _are_pairs(found: _Opened, pairs: bool | None) -> bool:
    if found.problems or pairs is False:
        return False
    names = {d: set(found.test[d].labels) for d in DOMAINS}
    if pairs is None:
        if names["a"] != names["b"]:
            return False
        numbers = all(label.isdigit() for label in names["a"])
        doubt = "They are only numbers: if they do not belong together, say --pairs no" if numbers else ""
        found.notes.append(". ".join(filter(None, ["testA and testB have the same names: taken as pairs", doubt])))
        return True
    for d in DOMAINS:
        if missing := names[d] - names[other(d)]:
            message = f"--pairs yes: {len(missing):,} pictures of {found.test[d].folder} have no partner of their name"
            found.problems.append(
                Problem(f"{message} in {found.test[other(d)].folder}, such as {min(missing)}", "Rename or remove them.")
            )
    return True


def _layout_hint(folder: Path) -> str:
    names = sub_folders(folder)
    inside = [name for name in names if any((folder / name / part).is_dir() for part in SUB_FOLDERS.values())]
    if inside:
        return f"Did you mean {folder / inside[0]}?"
    return "It takes a folder with testA and testB, or trainA and trainB, inside."


def _size(path: Path) -> Size | BadPicture:
    try:
        return check_picture(path)
    except BadPicture as bad:
        return bad


def _bad_problem(group: Pictures, bad: Sequence[BadPicture]) -> list[Problem]:
    if not bad:
        return []
    named = [f"{picture.path}: {picture.reason}" for picture in bad[:MAX_NAMED_BAD]]
    if len(bad) > MAX_NAMED_BAD:
        named.append(f"and {len(bad) - MAX_NAMED_BAD:,} more")
    lines = "\n  ".join([*named, "Mend them or take them out."])
    return [Problem(f"{group.folder}: {len(bad):,} of {counted(len(group), 'picture')} cannot be read", lines)]


def _listing(group: Pictures) -> Listing:
    return list_pictures(group.folder)
