"""Many pictures translated to files: decoding and saving run in threads while the networks work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unpaired.data.images import BadPicture, Size, read_picture, to_image, to_tensor
from unpaired.data.threads import num_cpus
from unpaired.errors import UserError
from unpaired.inference.records import Record, write_picture
from unpaired.inference.sizes import enlarged, resized
from unpaired.inference.sources import Source
from unpaired.inference.styles import Style
from unpaired.inference.translator import Translator
from unpaired.layers.heat_maps import overlaid
from unpaired.models.base import Domain

_WAITING_BATCHES = 2  # decoded ahead of the networks
_WAITING_RESULTS = 8  # translated and not saved yet: a bound on memory, results can be large
_SAVERS = _WAITING_RESULTS  # more than processors: half of the time of saving is waiting for the disk


@dataclass(frozen=True)
class Job:
    """One picture, its styles and the file of each result, and of its heat-map where one is wanted."""

    source: Source
    working_size: Size
    size: Size
    styles: tuple[Style, ...]
    targets: tuple[Path, ...]
    heat_map: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the job makes."""
        return self.targets if self.heat_map is None else (*self.targets, self.heat_map)


def run_jobs(
    translator: Translator,
    jobs: Sequence[Job],
    to: Domain,
    *,
    batch_size: int,
    record: Callable[[Job, Style], Record],
    on_progress: Callable[[int, int], None],
) -> None:
    """Translate every job and write its results as PNG files. All jobs have as many styles, and heat-maps or none.

    `on_progress` is told how many results were made, and of how many. Raises `UserError` when a picture has gone bad or
    a result cannot be written; the results before it stay.
    """
    batches = list(batches_of(jobs, batch_size, translator.max_pixels))
    num_all, num_done = sum(len(job.files) for job in jobs), 0
    background = translator.bundle.config.data.background
    reader, saver = ThreadPoolExecutor(num_cpus()), ThreadPoolExecutor(_SAVERS)
    try:
        saving: deque[Future[None]] = deque()
        for batch, x in _decoded(reader, batches, background):
            for files, pictures in _made(translator, batch, x, to):
                for job, (index, path), picture in zip(batch, files, pictures, strict=True):
                    saving.append(saver.submit(_save, job.size, picture, path, record(job, job.styles[index])))
                num_done += len(batch)
                on_progress(num_done, num_all)
                while len(saving) > _WAITING_RESULTS:
                    saving.popleft().result()
        for future in saving:
            future.result()
    finally:
        for pool in (reader, saver):
            pool.shutdown(cancel_futures=True)


def _made(
    translator: Translator, batch: Sequence[Job], x: Tensor, to: Domain
) -> Iterator[tuple[list[tuple[int, Path]], Tensor]]:
    """For each style, then for the heat-maps: number of the style and file of each job, and pictures (N, 3, H, W)."""
    for index, y in enumerate(translator.variants(x, to, _codes(batch))):
        yield [(index, job.targets[index]) for job in batch], y.cpu()
    files = [(0, job.heat_map) for job in batch if job.heat_map is not None]
    if files:
        yield files, overlaid(x, translator.attention(x, to=to).cpu())


def batches_of(jobs: Sequence[Job], batch_size: int, max_pixels: int) -> Iterator[list[Job]]:
    """The `jobs` in groups of one working size, of at most `batch_size` or of as many as have `max_pixels` pixels."""
    for (height, width), same in groupby(sorted(jobs, key=lambda job: job.working_size), lambda job: job.working_size):
        group = list(same)
        length = max(1, min(batch_size, max_pixels // (height * width)))
        yield from (group[start : start + length] for start in range(0, len(group), length))


def _decoded(
    pool: ThreadPoolExecutor, batches: Sequence[list[Job]], background: tuple[int, int, int]
) -> Iterator[tuple[list[Job], Tensor]]:
    """Each batch with its pictures (N, 3, H, W) at working size; the next ones are decoded meanwhile."""
    waiting: deque[tuple[list[Job], list[Future[Tensor]]]] = deque()
    for batch in batches:
        waiting.append((batch, [pool.submit(_read, job, background) for job in batch]))
        if len(waiting) > _WAITING_BATCHES:
            yield _stacked(*waiting.popleft())
    while waiting:
        yield _stacked(*waiting.popleft())


def _stacked(batch: list[Job], pictures: Sequence[Future[Tensor]]) -> tuple[list[Job], Tensor]:
    # by numpy: torch would wake its threads, and wait for them while others save on their processors
    tensors = [picture.result() for picture in pictures]
    if len(tensors) == 1:
        return batch, tensors[0][None]
    together = torch.empty(len(tensors), *tensors[0].shape)
    np.stack([tensor.numpy() for tensor in tensors], out=together.numpy())
    return batch, together


def _read(job: Job, background: tuple[int, int, int]) -> Tensor:
    try:
        picture = read_picture(job.source.path, background)
    except BadPicture as bad:
        raise UserError(f"{bad} now, it was whole at the start", "Leave it out, and call again.") from bad
    return to_tensor(resized(picture, job.working_size))


def _codes(batch: Sequence[Job]) -> Tensor | None:
    """The codes of a batch: (styles, N, style_dim)."""
    if batch[0].styles[0].code is None:
        return None
    per_job = [[style.code for style in job.styles] for job in batch]
    return torch.tensor(per_job, dtype=torch.float32).transpose(0, 1)


def _save(size: Size, picture: Tensor, path: Path, record: Record) -> None:
    write_picture(enlarged(to_image(picture), size), path, record)
