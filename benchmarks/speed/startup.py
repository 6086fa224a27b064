"""From the start of a process to the first translated picture on disk, beyond what importing torch takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.speed.contest import Round
from benchmarks.speed.records import Record, Spread
from benchmarks.speed.tasks import Call, Task
from benchmarks.speed.untrained import write_picture, write_untrained_bundle
from benchmarks.speed.worker import Contender, Unit

from unpaired.presets import PRESETS

IMPORT, TRANSLATE = "import torch", "unpaired translate"


@dataclass(frozen=True, kw_only=True)
class StartUp(Task):
    """`unpaired translate` on one picture, less `import torch`: the files come from the disk cache in both."""

    preset: str
    size: int

    @property
    def reference(self) -> None:
        """There is none."""
        return None

    def contenders(self, call: Call) -> Mapping[str, Contender]:
        """Two commands, each a process from start to end."""
        folder = call.workspace / self.name
        picture = write_picture(folder / "picture.png", self.size)
        config = PRESETS[self.preset]()
        config = replace(config, data=replace(config.data, size=(self.size, self.size)))
        write_untrained_bundle(config, folder / "bundle")
        words = ["translate", folder / "bundle", picture, "--to", "b", "--out", folder / "out", "--overwrite"]
        device = ["--device", call.device, "--precision", "fp32"]
        return {
            IMPORT: partial(command, ["-c", IMPORT]),
            TRANSLATE: partial(command, ["-m", "unpaired", *map(str, words), *device]),
        }

    def records(self, call: Call, rounds: Sequence[Round]) -> list[Record]:  # noqa: ARG002  every task's signature
        """One record: the difference of the two commands."""
        beyond = Spread.of(one[TRANSLATE].seconds - one[IMPORT].seconds for one in rounds)
        return [
            Record(task=self.name, model=self.preset, size=self.size, batch=1, precision="fp32", ours_s=beyond.median)
        ]


def command(words: Sequence[str | Path]) -> Unit:
    """A Python process with these arguments, from start to end. Raises `CalledProcessError` when it fails."""
    return partial(subprocess.run, [sys.executable, *words], check=True, capture_output=True)
