"""Sides of a comparison that do next to nothing. Other processes import them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from benchmarks.speed.worker import Unit


def note(path: Path, letter: str) -> Unit:
    """A unit that leaves a letter behind."""
    return partial(_append, path, letter)


def note_version(path: Path) -> Unit:
    """A unit that leaves behind what the module `which_version` says, of which there may be several."""
    from which_version import LETTER

    return partial(_append, path, LETTER)


def fails() -> Unit:
    raise ValueError("no such network")


def dies() -> Unit:
    os._exit(3)


def _append(path: Path, letter: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(letter)
