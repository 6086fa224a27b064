"""What an evaluation found, as data: for Python, and as `metrics.json`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unpaired.errors import UsageError, did_you_mean
from unpaired.evaluation.candidates import Kind
from unpaired.evaluation.comparison import Difference
from unpaired.evaluation.settings import Settings
from unpaired.metrics.measurement import Measurement
from unpaired.tensorfile import replace_file

JSON_FILE = "metrics.json"
KIND = "unpaired evaluation"
FORMAT = 1


@dataclass(frozen=True)
class GridFile:
    """A picture of the grids: its path below the folder of the report, what it shows, width and height in pixels."""

    path: str
    title: str
    caption: str
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class CandidateResult:
    """What was measured of one candidate. `facts` say what it is; `num_styles` how many translations an input has."""

    name: str
    kind: Kind
    facts: Mapping[str, str | int | None]
    num_styles: Mapping[str, int]
    measurements: tuple[Measurement, ...]
    grids: tuple[GridFile, ...] = ()

    def find(self, name: str, direction: str) -> Measurement | None:
        """The measurement `name` of `direction`; None when there is none."""
        return next((m for m in self.measurements if (m.name, m.direction) == (name, direction)), None)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All results of one call. `folder` is where its report lies, None when none was written."""

    data: str
    settings: Settings
    size: tuple[int, int]
    results: tuple[CandidateResult, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    grids: tuple[GridFile, ...] = ()
    seconds: float = 0.0
    folder: Path | None = None

    @property
    def candidates(self) -> tuple[CandidateResult, ...]:
        """The results without those of the baselines."""
        return tuple(result for result in self.results if result.kind != "baseline")

    def measurement(self, name: str, *, direction: str | None = None, candidate: str | None = None) -> Measurement:
        """The measurement `name` (such as "kid"), of the first candidate and the first direction if not said.

        `direction` is "a→b" or "b→a", or a domain where the measurement is about one. Raises `UsageError` when there is
        none.
        """
        chosen = [r for r in self.results if candidate in (None, r.name)]
        for result in chosen:
            for found in result.measurements:
                if found.name == name and direction in (None, found.direction):
                    return found
        known = sorted({m.name for result in chosen for m in result.measurements})
        where = "".join(f" of {part}" for part in (candidate, direction) if part)
        raise UsageError(f"{name}{where}: was not measured", did_you_mean(name, known))


def rows_of(evaluation: Evaluation) -> Iterator[tuple[Measurement, list[Measurement | None]]]:
    """For each thing that was measured of some candidate: one measurement of it, and those of all results."""
    seen: set[tuple[str, str]] = set()
    for result in evaluation.results:
        for found in result.measurements:
            key = (found.name, found.direction)
            if key not in seen:
                seen.add(key)
                yield found, [other.find(*key) for other in evaluation.results]


def write_json(evaluation: Evaluation, folder: Path) -> Path:
    """The file `metrics.json` in `folder`, with everything but the pictures. Raises `UserError`."""
    text = json.dumps(as_plain(evaluation), indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    replace_file(folder / JSON_FILE, lambda temporary: _write(temporary, text), len(text))
    return folder / JSON_FILE


def is_report(folder: Path) -> bool:
    """Whether `folder` holds the report of an evaluation."""
    try:
        data = json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("kind") == KIND


def as_plain(evaluation: Evaluation) -> dict[str, Any]:
    """`evaluation` as plain dicts, lists and scalars; numbers that are not finite become null."""
    plain = {
        "kind": KIND,
        "format": FORMAT,
        "version": version("unpaired"),
        "data": evaluation.data,
        "size": list(evaluation.size),
        "settings": _plain(dataclasses.asdict(evaluation.settings)),
        "results": [_plain(dataclasses.asdict(result)) for result in evaluation.results],
        "differences": [_plain(dataclasses.asdict(difference)) for difference in evaluation.differences],
        "notes": list(evaluation.notes),
        "grids": _plain([dataclasses.asdict(grid) for grid in evaluation.grids]),
        "seconds": round(evaluation.seconds, 3),
    }
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
