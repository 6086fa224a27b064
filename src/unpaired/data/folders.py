"""The folders of a training set: found, every picture decoded once, all that is wrong said before a run starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.dataset import Decoded, fit_in_memory
from unpaired.data.faces import Box
from unpaired.data.images import MAX_PIXELS, BadPicture, Size, check_picture, read_picture, to_uint8
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
from unpaired.data.transforms import resized, resized_size
from unpaired.errors import Problem

SUB_FOLDERS = {"a": "trainA", "b": "trainB", "test_a": "testA", "test_b": "testB"}
"""Where the folders of `DataConfig` lie in one data folder. The first two are needed."""

TRAINING = ("a", "b")
MIN_PICTURES = 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PictureFolders:
    """Paths of the pictures of both domains, sorted by their place in their folder.

    `skipped` are those that cannot be read and are left out. `faces_a` and `faces_b` are the boxes of the training
    pictures that have a face; None when nobody asked for faces. `decoded` are the training pictures themselves when
    training keeps them in memory: they were decoded anyway.
    """

    a: tuple[Path, ...]
    b: tuple[Path, ...]
    test_a: tuple[Path, ...] = ()
    test_b: tuple[Path, ...] = ()
    skipped: tuple[BadPicture, ...] = ()
    faces_a: Mapping[Path, Box] | None = None
    faces_b: Mapping[Path, Box] | None = None
    decoded: Decoded | None = field(default=None, compare=False, repr=False)


@dataclass
class _Scan:
    """What decoding the pictures of a folder has shown so far."""

    listing: Listing
    sizes: dict[Path, Size] = field(default_factory=dict)
    bad: list[BadPicture] = field(default_factory=list)

    def add(self, result: tuple[Path, Size] | BadPicture) -> None:
        if isinstance(result, BadPicture):
            self.bad.append(result)
        else:
            self.sizes[result[0]] = result[1]


def locate(paths: Sequence[Path]) -> tuple[dict[str, str], list[Problem]]:
    """The folders that positional arguments name, by their field of `DataConfig`, and what is wrong with them.

    Two paths are the folders of a and b; one is a folder that holds trainA and trainB, and perhaps testA and testB.
    """
    if len(paths) > 2:
        return {}, [Problem(f"{len(paths)} folders given", "Give two folders, or one that holds trainA and trainB.")]
    if len(paths) == 1:
        return _locate_in(paths[0])
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for domain, argument, path in zip(TRAINING, ("A_DIR", "B_DIR"), paths, strict=False):
        problem = folder_problem(f"{argument} {path}", path)
        if problem:
            problems.append(problem)
        else:
            found[domain] = str(path)
    return found, problems


def open_folders(data: DataConfig, on_progress: Progress | None = None) -> tuple[PictureFolders, list[Problem]]:
    """The pictures of the folders of `data` after decoding each one, and everything that is wrong with them.

    Pictures that cannot be read are left out; they are a problem unless `data.skip_bad`. `on_progress` is told how many
    pictures are done, and of how many.
    """
    problems = _overlap_problems(data)
    listings: dict[str, Listing] = {}
    for domain, folder in _given(data).items():
        problems += _listing_problems(domain, folder, listings)
    kept: dict[Path, Tensor] | None = {} if _are_kept(listings, data) else None
    num_all = sum(len(listing.pictures) for listing in listings.values())
    num_done = 0
    scans: dict[str, _Scan] = {}
    for domain, listing in listings.items():
        scan = scans[domain] = _Scan(listing)
        check = partial(_checked, data=data, kept=kept if domain in TRAINING else None)
        for result in in_threads(check, listing.pictures):
            scan.add(result)
            num_done += 1
            if on_progress:
                on_progress(num_done, num_all)
        problems += _scan_problems(domain, scan, data)
    good = {domain: tuple(scan.sizes) for domain, scan in scans.items()}
    skipped = tuple(bad for scan in scans.values() for bad in scan.bad)
    a, b, test_a, test_b = (good.get(domain, ()) for domain in SUB_FOLDERS)
    decoded = None if kept is None else Decoded(data, kept)
    return PictureFolders(a, b, test_a, test_b, skipped, decoded=decoded), problems


def _given(data: DataConfig) -> dict[str, str | None]:
    return {"a": data.a, "b": data.b, "test_a": data.test_a, "test_b": data.test_b}


def _locate_in(folder: Path) -> tuple[dict[str, str], list[Problem]]:
    """The folders of `DataConfig` inside one data folder."""
    problem = folder_problem(f"DATA_DIR {folder}", folder)
    if problem:
        return {}, [problem]
    found = {domain: str(folder / name) for domain, name in SUB_FOLDERS.items() if (folder / name).is_dir()}
    missing = [SUB_FOLDERS[domain] for domain in TRAINING if domain not in found]
    if not missing:
        return found, []
    return {}, [Problem(f"DATA_DIR {folder}: has no {' and no '.join(missing)}", _layout_hint(folder, missing))]


def _layout_hint(folder: Path, missing: Sequence[str]) -> str:
    """How to make something of `folder`, whose sub-folders `missing` are missing."""
    names = sub_folders(folder)
    renamings = {name: near for name in missing if (near := _near_name(name, names))}
    if len(renamings) == len(missing):
        pairs = " and ".join(f'"{near}" to {name}' for name, near in renamings.items())
        return f"Rename {pairs}."
    inside = [name for name in names if all((folder / name / SUB_FOLDERS[domain]).is_dir() for domain in TRAINING)]
    if inside:
        return f"Did you mean {folder / inside[0]}?"
    if len(names) == 2:
        return f"Rename its folders to trainA and trainB, or give both: {folder / names[0]} {folder / names[1]}"
    if names:
        return f"It holds {', '.join(names[:8])}. Rename two of them to trainA and trainB, or give those two."
    return "Give two folders of pictures, one for each domain, or one folder that holds trainA and trainB."


def _near_name(wanted: str, names: Sequence[str]) -> str | None:
    """The one of `names` that somebody may have meant by `wanted` (trainA): traina, train_A, train-a, A, domainA …"""
    letter = wanted[-1].lower()
    meant = {f"train{letter}", letter, f"domain{letter}", f"training{letter}", f"{letter}train", f"class{letter}"}
    found = [name for name in names if "".join(c for c in name.lower() if c.isalnum()) in meant]
    return found[0] if len(found) == 1 else None


def _name(domain: str, folder: str | Path) -> str:
    return f"data.{domain} ({folder})"


def _overlap_problems(data: DataConfig) -> list[Problem]:
    if data.a is None or data.b is None:
        return []
    a, b = Path(data.a).resolve(), Path(data.b).resolve()
    if a == b:
        return [Problem(f"data.a and data.b are the same folder ({data.a})", "Give one folder for each domain.")]
    if a in b.parents or b in a.parents:
        inner, outer = (data.b, data.a) if a in b.parents else (data.a, data.b)
        return [Problem(f"{inner} lies inside {outer}: its pictures would be in both domains", "Move it out.")]
    return []


def _listing_problems(domain: str, folder: str | None, listings: dict[str, Listing]) -> list[Problem]:
    """What is wrong with `folder`; its pictures go into `listings` if there are any."""
    if folder is None:
        missing = Problem(f"data.{domain}: no folder given", "Give two folders, or one with trainA and trainB.")
        return [missing] if domain in TRAINING else []
    name = _name(domain, folder)
    problem = folder_problem(name, Path(folder))
    if problem:
        return [problem]
    listing = list_pictures(Path(folder))
    if listing.pictures:
        listings[domain] = listing
    empty = too_few_problem(name, listing, len(listing.pictures), num_needed=1)
    return [*unreadable_problems(name, listing), *([empty] if empty else [])]


def _are_kept(listings: Mapping[str, Listing], data: DataConfig) -> bool:
    """Whether training keeps its pictures in memory, as far as their headers tell."""
    if data.workers:
        return False
    try:
        return fit_in_memory([path for d in TRAINING if d in listings for path in listings[d].pictures], data)
    except BadPicture:  # to be left out, or the end of the call: either way they are seldom
        return False


def _checked(path: Path, data: DataConfig, kept: dict[Path, Tensor] | None) -> tuple[Path, Size] | BadPicture:
    """The picture's size after decoding it. It is put into `kept`, resized, unless that is None."""
    try:
        picture = None if kept is None else read_picture(path, data.background)
        size = check_picture(path) if picture is None else (picture.height, picture.width)
    except BadPicture as bad:
        return bad
    height, width = resized_size(size, data)
    if height * width > MAX_PIXELS:
        return BadPicture(path, f"too elongated ({size[0]}x{size[1]} pixels)")
    if kept is not None and picture is not None:
        kept[path] = to_uint8(resized(picture, data))
    return path, size


def _scan_problems(domain: str, scan: _Scan, data: DataConfig) -> list[Problem]:
    name = _name(domain, scan.listing.folder)
    found = []
    if scan.bad and not data.skip_bad:
        found.append(bad_pictures_problem(name, scan.listing, scan.bad))
    small = {path: size for path, size in scan.sizes.items() if is_smaller(resized_size(size, data), data.size)}
    if small:
        found.append(small_pictures_problem(name, scan.listing, small, data.size, _way_out_of_small(data)))
    few = too_few_problem(name, scan.listing, len(scan.sizes), MIN_PICTURES if domain in TRAINING else 1)
    if few and (data.skip_bad or not scan.bad):
        found.append(few)
    return found


def _way_out_of_small(data: DataConfig) -> str:
    resize = "" if data.resize == "none" else f" after the resize to {data.resize} pixels"
    return f"They are too small{resize}: use --set data.resize=cover, a smaller --size, or take them out."
