"""Checkpoints of a run: one file that holds everything to go on from, and snapshots that stay."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unpaired import tensorfile
from unpaired.config import CheckpointsConfig, to_dict
from unpaired.errors import UserError
from unpaired.training.state import TrainState

FORMAT = 1
LAST = "last.safetensors"
BEST = "best.safetensors"
_SNAPSHOT = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class Best:
    """Why a checkpoint is the best: the value of the number `name` after `step` updates, and how it was measured."""

    name: str
    value: float
    step: int
    recipes: tuple[Mapping[str, Any], ...]


def save(state: TrainState, folder: Path) -> Path:
    """Write the state as the last checkpoint in `folder` and return its path.

    The one before stays whole until the new one is complete. Raises `UserError` when it cannot be written.
    """
    path = folder / LAST
    tensorfile.write(path, state.tensors(), _header(state))
    return path


def save_best(state: TrainState, folder: Path, best: Best) -> Path:
    """Write the state as the best checkpoint in `folder` and return its path. Raises `UserError`."""
    path = folder / BEST
    tensorfile.write(path, state.tensors(), _header(state) | {"best": asdict(best)})
    return path


def read_best(folder: Path) -> Best | None:
    """Why the best checkpoint in `folder` is that; None when there is none that can be read."""
    try:
        return Best(**tensorfile.read_header(folder / BEST)["best"])
    except (UserError, KeyError, TypeError):
        return None


def keep_snapshot(folder: Path, step: int, config: CheckpointsConfig) -> Path:
    """Keep the last checkpoint in `folder` under the name of its `step`, and delete the oldest beyond `config.keep`."""
    snapshot = folder / f"step-{step:08d}.safetensors"
    tensorfile.replace_file(snapshot, lambda temporary: _link_or_copy(folder / LAST, temporary), _size(folder / LAST))
    for old in snapshots(folder)[: -config.keep]:
        old.unlink()
    return snapshot


def snapshots(folder: Path) -> list[Path]:
    """The snapshots in `folder`, oldest first."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _SNAPSHOT.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def load(state: TrainState, path: Path) -> None:
    """Set the state to what the checkpoint at `path` holds.

    Raises `UserError` when it is missing, torn, no checkpoint, or does not fit the model.
    """
    header, tensors = tensorfile.read(path)
    state.load_tensors(tensors, _checked_step(path, header))


def step_of(path: Path) -> int:
    """The number of updates before the checkpoint at `path`. Raises `UserError` when it is missing, torn or none."""
    try:
        header = tensorfile.read_header(path)
    except UserError as error:
        others = [other for other in snapshots(path.parent) if other != path] if path.parent.is_dir() else []
        if not others:
            raise
        message = error.problems[0].message
        raise UserError(message, f"Go on from the newest snapshot: unpaired train --resume {others[-1]}") from error
    return _checked_step(path, header)


def _checked_step(path: Path, header: dict[str, Any]) -> int:
    step = header.get("step")
    if header.get("kind") != "checkpoint" or not isinstance(step, int):
        raise UserError(f"{path}: is not a checkpoint of a run", "Resume from a run folder.")
    if header["format"] > FORMAT:
        raise UserError(f"{path}: was written by a newer version of unpaired", "Update unpaired.")
    return step


def _header(state: TrainState) -> dict[str, Any]:
    return {
        "kind": "checkpoint",
        "format": FORMAT,
        "step": state.step,
        "config": to_dict(state.config),
        "versions": {"unpaired": version("unpaired"), "torch": torch.__version__},
    }


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for `source`: `last` is only ever replaced, never written into. A copy where links are unknown."""
    target.unlink(missing_ok=True)
    with contextlib.suppress(OSError, NotImplementedError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


def _size(path: Path) -> int:
    return path.stat().st_size
