"""Endless batches of training pictures, and the fixed pictures of sample grids."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from unpaired.config import DataConfig
from unpaired.data.dataset import (
    BytesBatch,
    Decoded,
    PicturesOnDisk,
    PictureSource,
    Plan,
    StepDataset,
    decoded,
    fit_in_memory,
    read_resized,
)
from unpaired.data.faces import FaceBoxes, boxes_of
from unpaired.data.folders import PictureFolders
from unpaired.data.images import BadPicture, scaled, scaled_alone
from unpaired.data.threads import num_cpus
from unpaired.data.transforms import centre_crop
from unpaired.errors import UserError

BATCHES_AHEAD = 4
"""Batches that each worker prepares before they are asked for."""


class LoadedBatch(NamedTuple):
    """Pictures of a and of b, each (N, 3, H, W), float32 in [-1, 1], and their faces where the folders have boxes."""

    x_a: Tensor
    x_b: Tensor
    faces_a: FaceBoxes | None = None
    faces_b: FaceBoxes | None = None


def training_batches(
    folders: PictureFolders,
    data: DataConfig,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
) -> Generator[LoadedBatch]:
    """Endless batches of `batch_size` pictures of each domain.

    Batch k depends on `seed`, `rank`, `world_size` and `start_step + k` alone: not on the number of workers, nor on
    whether the pictures are kept in memory. They are when all fit into `data.cache_mib` and `data.workers` is null or
    0; otherwise they are decoded each time, by `data.workers` processes. Closing the generator ends these processes.

    Raises `UserError` for a file that went missing or broke since the folders were opened.
    """
    plan = Plan(batch_size, seed, rank, world_size)
    try:
        dataset, num_workers = _dataset(folders, data, plan)
    except BadPicture as bad:
        raise _lost_picture(bad) from bad
    batches = _from_workers(dataset, start_step, num_workers) if num_workers else _from_here(dataset, start_step)
    with contextlib.closing(batches):
        for batch in batches:
            if isinstance(batch, BadPicture):
                raise _lost_picture(batch)
            loaded = _loaded(batch, data)
            yield _pinned(loaded) if pin_memory else loaded


def fixed_pictures(paths: Sequence[Path], data: DataConfig, count: int) -> Tensor:
    """Up to `count` of the pictures, evenly spaced, resized and cropped in the middle: (n, 3, H, W) in [-1, 1].

    There are fewer when there are fewer paths. Raises `UserError` for a file that cannot be read.
    """
    num_pictures = min(count, len(paths))
    chosen = [paths[k * len(paths) // num_pictures] for k in range(num_pictures)]
    try:
        pictures = [_middle(read_resized(path, data), data) for path in chosen]
    except BadPicture as bad:
        raise _lost_picture(bad) from bad
    return scaled(torch.stack(pictures)) if pictures else torch.empty(0, 3, *data.size)


def _dataset(folders: PictureFolders, data: DataConfig, plan: Plan) -> tuple[StepDataset, int]:
    """The batches by step, and the number of processes that should make them. Raises `BadPicture`."""
    a: PictureSource
    b: PictureSource
    kept = _kept_in_memory(folders, data)
    if kept is None:
        a, b = PicturesOnDisk(folders.a, data), PicturesOnDisk(folders.b, data)
        num_workers = num_cpus() if data.workers is None else data.workers
    else:
        a, b = ([kept.pictures[path] for path in paths] for paths in (folders.a, folders.b))
        num_workers = 0
    boxes_a = None if folders.faces_a is None else boxes_of(folders.a, folders.faces_a)
    boxes_b = None if folders.faces_b is None else boxes_of(folders.b, folders.faces_b)
    return StepDataset(a, b, data, plan, boxes_a=boxes_a, boxes_b=boxes_b), num_workers


def _kept_in_memory(folders: PictureFolders, data: DataConfig) -> Decoded | None:
    """All pictures, when they are to be kept in memory: those that were decoded while the folders were opened, if any.

    Raises `BadPicture`.
    """
    if data.workers:
        return None
    if folders.decoded is not None and folders.decoded.data == data:
        return folders.decoded
    paths = [*folders.a, *folders.b]
    return decoded(paths, data) if fit_in_memory(paths, data) else None


def _from_here(dataset: StepDataset, start_step: int) -> Generator[BytesBatch | BadPicture]:
    for step in itertools.count(start_step):
        yield dataset[step]


def _from_workers(dataset: StepDataset, start_step: int, num_workers: int) -> Generator[BytesBatch | BadPicture]:
    loader = DataLoader(
        dataset,
        batch_size=None,  # the dataset makes whole batches
        sampler=itertools.count(start_step),
        num_workers=num_workers,
        collate_fn=_unchanged,
        prefetch_factor=BATCHES_AHEAD,
        worker_init_fn=_start_worker,
        multiprocessing_context=_process_context(),
        generator=torch.Generator(),  # a loader draws a seed for its workers: not from the generator of the training
    )
    try:
        with _running(loader) as batches:
            yield from batches
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker"):
            raise
        raise _lost_process(error) from error


@contextlib.contextmanager
def _running(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    """The batches of `loader`, whose processes end with the block."""
    with _interrupts_held():
        batches = iter(loader)
    try:
        yield batches
    finally:
        _end_processes(batches)  # an exception would keep them alive otherwise


def _end_processes(batches: Iterator[Any]) -> None:
    """End the processes of a loader. How one of them dies that is not needed any more is nobody's problem."""
    try:
        batches._shutdown_workers()  # type: ignore[attr-defined]
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started in the block never see Ctrl-C or SIGTERM, not even while they start.

    Launchers send both to all processes of a job. This one sees them after the block, and ends the others itself.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _process_context() -> BaseContext:
    """How worker processes start: not by a fork of this process, whose threads (BLAS, CUDA, progress) could hang it."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([StepDataset.__module__])  # imports torch once, not once a worker
    return context


def _start_worker(worker: int) -> None:  # noqa: ARG001  the signature is the loader's
    """Leave interrupts to the main process, which finishes its step and saves. Where they cannot be held, this has to
    do.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _unchanged(batch: Any) -> Any:
    """What the loader does with a batch instead of turning arrays into tensors."""
    return batch


def _loaded(batch: BytesBatch, data: DataConfig) -> LoadedBatch:
    x_a, x_b = (scaled_alone(pictures) for pictures in (batch.a, batch.b))
    faces_a, faces_b = (b if b is None else FaceBoxes.of(b, data.size) for b in (batch.boxes_a, batch.boxes_b))
    return LoadedBatch(x_a, x_b, faces_a, faces_b)


def _pinned(batch: LoadedBatch) -> LoadedBatch:
    faces_a, faces_b = (faces and faces.pin_memory() for faces in (batch.faces_a, batch.faces_b))
    return LoadedBatch(batch.x_a.pin_memory(), batch.x_b.pin_memory(), faces_a, faces_b)


def _middle(picture: Tensor, data: DataConfig) -> Tensor:
    height, width = picture.shape[1:]
    return centre_crop((height, width), data.size).of(picture)


def _lost_process(error: Exception) -> UserError:
    return UserError(
        f"A process that loads pictures has ended ({str(error).strip() or type(error).__name__})",
        "Perhaps memory ran out: use fewer (--set data.workers=1) or none (--set data.workers=0).\n"
        '  In a Python script of your own, call it below `if __name__ == "__main__":`.',
    )


def _lost_picture(bad: BadPicture) -> UserError:
    return UserError(
        f"{bad.path}: cannot be read any more: {bad.reason}", "Mend it or take it out, then resume the run."
    )
