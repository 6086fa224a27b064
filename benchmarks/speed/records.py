"""What is written down: a list of records in `speed.json`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unpaired.errors import UserError


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, the smallest and the largest."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of one value a round."""
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))


@dataclass(frozen=True, kw_only=True)
class Record:
    """One task in one precision of ours; the reference is always fp32. None where there is nothing of that kind.

    `ours_s` and `reference_s` are medians in seconds. `ratio` is how many times as fast ours is, from pairs of one
    round. `needed_gmac`: see `counts`; `share_of_peak`: the share of the matrix product's speed that this makes.
    `rounds` and `commit` of our code tell the records of several calls apart.
    """

    task: str
    model: str | None
    size: int | None
    batch: int | None
    precision: str | None
    ours_s: float
    reference_s: float | None = None
    ratio: Spread | None = None
    ours_peak_mib: float | None = None
    reference_peak_mib: float | None = None
    needed_gmac: float | None = None
    share_of_peak: float | None = None
    rounds: int | None = None
    commit: str | None = None

    @property
    def memory_share(self) -> float | None:
        """Our peak memory as a share of the reference's."""
        if self.ours_peak_mib is None or self.reference_peak_mib is None:
            return None
        return self.ours_peak_mib / self.reference_peak_mib

    @classmethod
    def of_dict(cls, plain: dict[str, Any]) -> Record:
        """The record that `asdict` made `plain` of."""
        ratio = plain["ratio"]
        return cls(**{**plain, "ratio": None if ratio is None else Spread(**ratio)})


def read_records(path: Path) -> list[Record]:
    """The records in `path`, none where there is no file. Raises `UserError` when it holds something else."""
    if not path.exists():
        return []
    try:
        return [Record.of_dict(plain) for plain in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: is not a list of records ({error})", "Choose another folder with --out.") from error


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write `records` as JSON."""
    path.write_text(json.dumps([asdict(record) for record in records], indent=1) + "\n", encoding="utf-8")


def merged(old: Sequence[Record], new: Sequence[Record]) -> list[Record]:
    """`old` with every record replaced that is measured again in `new`, and the others of `new` after them."""
    measured = {_key(record): record for record in new}
    kept = [measured.pop(_key(record), record) for record in old]
    return kept + list(measured.values())


def _key(record: Record) -> tuple[str, str | None]:
    return record.task, record.precision
