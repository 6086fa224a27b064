"""A folder of pictures through a fast model: how much of the time decoding and saving leave to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from benchmarks.speed.contest import Round
from benchmarks.speed.records import Record, Spread
from benchmarks.speed.tasks import Call, Task
from benchmarks.speed.untrained import write_picture
from benchmarks.speed.worker import Contender, Unit

if TYPE_CHECKING:
    from torch import Tensor

    from unpaired.inference.jobs import Job
    from unpaired.inference.translator import Translator

MODEL_SECONDS = 0.01
"""What the stand-in for a model on a GPU takes for a picture: it sleeps, as a processor does that waits for a GPU."""

NUM_PICTURES = 100
FOLDER = "folder"


@dataclass(frozen=True, kw_only=True)
class Folder(Task):
    """JPEG files of `size` px to PNG files. Its `reference_s` is the stand-in's time, so `ratio` is the share of time
    in which the model works.
    """

    size: int

    @property
    def reference(self) -> None:
        """There is none."""
        return None

    def contenders(self, call: Call) -> Mapping[str, Contender]:
        """The folder alone."""
        return {FOLDER: partial(folder_translated, call.workspace / self.name, self.size)}

    def records(self, call: Call, rounds: Sequence[Round]) -> list[Record]:  # noqa: ARG002  every task's signature
        """One record; seconds are those of one picture."""
        seconds = [one[FOLDER].seconds / NUM_PICTURES for one in rounds]
        return [
            Record(
                task=self.name,
                model=None,
                size=self.size,
                batch=1,
                precision=None,
                ours_s=Spread.of(seconds).median,
                reference_s=MODEL_SECONDS,
                ratio=Spread.of(MODEL_SECONDS / one for one in seconds),
            )
        ]


def folder_translated(folder: Path, size: int) -> Unit:
    """`NUM_PICTURES` pictures decoded, handed to the stand-in and saved, as `unpaired translate` does it."""
    from unpaired.inference.jobs import run_jobs

    jobs = [_job(folder, number, size) for number in range(NUM_PICTURES)]
    translator = cast("Translator", StandIn())
    return partial(run_jobs, translator, jobs, "b", batch_size=1, record=_record, on_progress=lambda *_: None)


class StandIn:
    """What `run_jobs` needs of a translator; a picture is its own translation."""

    max_pixels = 2**20
    bundle = SimpleNamespace(config=SimpleNamespace(data=SimpleNamespace(background=(255, 255, 255))))

    def variants(self, x: Tensor, _to: str, _codes: Tensor | None) -> Iterator[Tensor]:
        """`x` after `MODEL_SECONDS`."""
        time.sleep(MODEL_SECONDS)
        yield x


def _job(folder: Path, number: int, size: int) -> Job:
    from pathlib import PurePosixPath

    from unpaired.inference.jobs import Job
    from unpaired.inference.sources import Source
    from unpaired.inference.styles import NO_STYLE

    path = write_picture(folder / "in" / f"{number:03d}.jpg", size, seed=number)
    source = Source(path, PurePosixPath(path.name), (size, size))
    return Job(source, (size, size), (size, size), (NO_STYLE,), (folder / "out" / f"{number:03d}.png",))


def _record(job: Job, _style: object) -> object:
    from unpaired.inference.records import Record

    return Record(
        version="", model="", weights_sha256="", weights="raw", step=None, to="b", style=None, style_index=0,
        style_from="", seed=None, source=job.source.path.name, working_size=job.working_size, size=job.size,
    )  # fmt: skip
