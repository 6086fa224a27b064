"""What lies in a folder of pictures, by name alone: no file is opened."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.images import PICTURE_SUFFIXES


@dataclass(frozen=True)
class Listing:
    """The files in a folder and its sub-folders, apart from hidden ones.

    `pictures` by suffix, sorted by relative path; `others` counts the other files by suffix; `unreadable` sub-folders.
    """

    folder: Path
    pictures: tuple[Path, ...]
    others: Counter[str]
    unreadable: tuple[Path, ...]

    def name(self, picture: Path) -> str:
        """The path of `picture` inside the folder, with forward slashes."""
        return picture.relative_to(self.folder).as_posix()

    def others_in_words(self) -> str:
        """Such as `12 other files: 10 .gif, 2 .txt`, the most frequent first; empty when there are none."""
        if not self.others:
            return ""
        return f"{counted(self.others.total(), 'other file')}: {by_frequency(self.others)}"


def list_pictures(folder: Path) -> Listing:
    """What lies in `folder`. Follows links to folders, each real folder once. The order is the same everywhere."""
    pictures: list[Path] = []
    others: Counter[str] = Counter()
    unreadable: list[Path] = []
    seen = {folder.resolve()}
    walk = os.walk(folder, followlinks=True, onerror=lambda error: unreadable.append(Path(error.filename)))
    for parent, folders, files in walk:
        folders[:] = [name for name in sorted(folders) if not _is_hidden(name) and _is_new(Path(parent, name), seen)]
        for name in files:
            path = Path(parent, name)
            if _is_hidden(name):
                continue
            if path.suffix.lower() in PICTURE_SUFFIXES:
                pictures.append(path)
            else:
                others[path.suffix.lower() or "without suffix"] += 1
    pictures.sort(key=lambda path: path.relative_to(folder).as_posix())
    return Listing(folder, tuple(pictures), others, tuple(sorted(unreadable)))


def sub_folders(folder: Path) -> list[str]:
    """The names of the folders in `folder`, sorted, without hidden ones."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not _is_hidden(path.name))


def by_frequency(counts: Counter[str]) -> str:
    """Such as `10 .gif, 2 .txt`: the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ordered)


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`, `1,000 pictures`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _is_hidden(name: str) -> bool:
    return name.startswith(".")  # .DS_Store; ._x.jpg, the Mac's note on x.jpg


def _is_new(folder: Path, seen: set[Path]) -> bool:
    """Whether the real place of `folder` is not yet in `seen`, to which it is added."""
    place = folder.resolve()
    if place in seen:
        return False
    seen.add(place)
    return True
