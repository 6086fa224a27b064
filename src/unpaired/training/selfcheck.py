"""Two steps, a sample grid, a save and a load before a long run, so that what fails after hours fails at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from unpaired import tensorfile
from unpaired.errors import UserError
from unpaired.inference.grids import draw_grid
from unpaired.models.base import Batch
from unpaired.training import checkpoint
from unpaired.training.face_loss import Faces
from unpaired.training.runs import RunFolder
from unpaired.training.state import TrainState, rng_for
from unpaired.training.step import train_step

MIN_STEPS = 200
"""Shorter runs fail soon enough by themselves."""


def self_check(state: TrainState, batches: Iterator[tuple[Batch, Faces]], fixed: Batch, run: RunFolder) -> float:
    """Run the check, leave `state` as it was, and return the seconds that a step took.

    Raises `UserError` for a part of the networks that does not learn, or a checkpoint that does not come back as saved.
    """
    start_step = state.step
    before = _copies(state)
    train_step(state, *_next(state, batches))
    start = time.perf_counter()
    train_step(state, *_next(state, batches))
    seconds = time.perf_counter() - start
    _check_everything_learns(before, state.tensors())
    if state.engine.is_main:
        with torch.no_grad(), state.engine.autocast():
            for grid in state.method.sample_grids(state.sampling_generators, fixed, rng_for(0), num_styles=1):
                draw_grid(grid)
        _check_save_and_load(state, run)
    state.engine.wait_for_main()
    state.load_tensors(before, start_step)
    return seconds


def _copies(state: TrainState) -> dict[str, Tensor]:
    """What is needed to come back to `state`: at the start the moments are 0, and take twice what the weights take."""
    return {
        name: tensor.clone()
        for name, tensor in state.tensors().items()
        if state.step or not name.startswith("optimizer_")
    }


def _next(state: TrainState, batches: Iterator[tuple[Batch, Faces]]) -> tuple[Batch, Faces]:
    batch, faces = next(batches)
    return batch.to(state.engine.device), faces.to(state.engine.device)


def _check_everything_learns(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    """Each part (such as generators.a.content_encoder) must have changed somewhere."""
    changed: dict[str, bool] = {}
    for name, tensor in after.items():
        if name.startswith(("generators.", "discriminators.")):
            part = ".".join(name.split(".")[:3])
            changed[part] = changed.get(part, False) or not torch.equal(tensor, before[name])
    stuck = [part for part, moved in changed.items() if not moved]
    if stuck:
        raise UserError(
            f"Self-check: two steps changed nothing in {', '.join(stuck)}",
            "Are all weights of its losses 0? To train like this anyway: --set self_check=false",
        )


def _check_save_and_load(state: TrainState, run: RunFolder) -> None:
    folder = run.checkpoints / "self-check"
    try:
        path = checkpoint.save(state, folder)
        _, loaded = tensorfile.read(path)
        path.unlink()
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    for name, tensor in state.tensors().items():
        if not torch.equal(tensor.cpu(), loaded[name]):
            raise UserError(f"Self-check: {name} came back changed from {path}", "Is the disk healthy?")
