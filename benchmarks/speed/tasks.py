"""What every task has: sides to measure in turn, and what their measurements say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.speed.contest import Round
from benchmarks.speed.records import Record
from benchmarks.speed.worker import Contender

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Call:
    """What tasks are measured with: clones of the reference codes, our precisions, the device, a folder for files."""

    munit: Path | None
    ugatit: Path | None
    precisions: tuple[Precision, ...]
    device: Literal["cpu", "cuda"]
    threads: int
    workspace: Path


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One thing to measure. Where it is not `by_default`, only `--only` brings it in.

    Unless `together`, its sides do not fit into memory at once.
    """

    name: str
    by_default: bool = True
    together: bool = True

    @property
    @abstractmethod
    def reference(self) -> str | None:
        """The clone that it needs: "munit" or "ugatit", if any."""

    @abstractmethod
    def contenders(self, call: Call) -> Mapping[str, Contender]:
        """The sides to measure in turn, by name."""

    @abstractmethod
    def records(self, call: Call, rounds: Sequence[Round]) -> list[Record]:
        """What the measurements of these sides say."""


class OwnTask(Task):
    """A task with a side of ours in each precision, which can be measured without the reference too."""

    @abstractmethod
    def own(self, call: Call, precision: Precision) -> Contender:
        """Our side."""
