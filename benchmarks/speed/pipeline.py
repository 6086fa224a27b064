"""The data pipeline alone: how many batches a second two processes read, decode, crop and hand over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.speed.comparison import median_seconds
from benchmarks.speed.contest import Round
from benchmarks.speed.records import Record, Spread
from benchmarks.speed.tasks import Call, Task
from benchmarks.speed.training import training_step
from benchmarks.speed.untrained import write_picture
from benchmarks.speed.worker import Contender, Unit

from unpaired.config import DataConfig
from unpaired.presets import PRESETS

GPU_STEP_SECONDS = 0.015
"""What a GPU step at 64 px is taken to last where none can be measured: some 2,500 kernels, 6 µs to launch each."""

NUM_PICTURES = 64  # of each domain; read again and again
NUM_BATCHES = 200  # in a unit of work
PIPELINE, STEP = "pipeline", "training step"


@dataclass(frozen=True, kw_only=True)
class Pipeline(Task):
    """Batches of `size` px from pictures of `stored` px, beside the training step that they feed.

    Its `reference_s` is that step: measured on CUDA, on a CPU `GPU_STEP_SECONDS`; so `ratio` is how much faster data
    come than a GPU can take them.
    """

    preset: str
    size: int
    stored: int
    batch: int = 1
    workers: int = 2

    @property
    def reference(self) -> None:
        """There is none."""
        return None

    def contenders(self, call: Call) -> Mapping[str, Contender]:
        """The pipeline, and on CUDA the step."""
        data = DataConfig(size=(self.size, self.size), workers=self.workers)
        pipeline = {PIPELINE: partial(batches, data, self.stored, self.batch, call.workspace / self.name)}
        if call.device != "cuda":
            return pipeline
        config = replace(PRESETS[self.preset](), data=data, batch_size=self.batch, ema_decay=0.0)
        return pipeline | {STEP: partial(training_step, replace(config, device="cuda", precision="bf16"))}

    def records(self, call: Call, rounds: Sequence[Round]) -> list[Record]:
        """One record; seconds are those of one batch of each domain."""
        needed = median_seconds(rounds, STEP) if call.device == "cuda" else GPU_STEP_SECONDS
        seconds = [one[PIPELINE].seconds / NUM_BATCHES for one in rounds]
        return [
            Record(
                task=self.name,
                model=self.preset,
                size=self.size,
                batch=self.batch,
                precision=None,
                ours_s=Spread.of(seconds).median,
                reference_s=needed,
                ratio=Spread.of(needed / one for one in seconds),
            )
        ]


def batches(data: DataConfig, stored: int, batch: int, folder: Path) -> Unit:
    """`NUM_BATCHES` batches of pictures that lie in `folder` as JPEG files of `stored` px."""
    from unpaired.data.folders import open_folders
    from unpaired.data.loader import training_batches

    for number in range(2 * NUM_PICTURES):
        write_picture(folder / "ab"[number % 2] / f"{number:03d}.jpg", stored, seed=number)
    folders, problems = open_folders(replace(data, a=str(folder / "a"), b=str(folder / "b")))
    assert not problems, problems
    endless = training_batches(folders, data, batch_size=batch, seed=0)

    def take() -> None:
        for _ in range(NUM_BATCHES):
            next(endless)

    return take
