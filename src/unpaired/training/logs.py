"""What a run writes down while it trains: `log.txt` for people, `metrics.jsonl` and TensorBoard for numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rich import get_console

from unpaired.tensorfile import replace_file, write_error

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG_FILE = "log.txt"
METRICS_FILE = "metrics.jsonl"
EVALUATIONS_FILE = "evaluations.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class LineFile:
    """A text file that only grows, line by line. A line is with the operating system when `write` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)  # unbuffered: close has nothing left to write that could fail
        except OSError as error:
            raise write_error(path, 0, error) from error

    def write(self, line: str) -> None:
        """Append `line` and a newline. Raises `UserError` when the disk is full; a torn line may then stay."""
        rest = f"{line}\n".encode()
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise write_error(self.path, len(rest), error) from error

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._file.close()


class RunLog:
    """Messages of a run, on the console and, with the time, in `log.txt` of the run folder where one is given."""

    def __init__(self, run_folder: Path | None) -> None:
        self._file = None if run_folder is None else LineFile(run_folder / LOG_FILE)

    def info(self, text: str) -> None:
        """Show and write `text`. Raises `UserError` when the disk is full."""
        self._say(text, style=None)

    def warning(self, text: str) -> None:
        """Show and write `text` as a warning. Raises `UserError` when the disk is full."""
        self._say(f"warning: {text}", style="yellow")

    def close(self) -> None:
        """Close `log.txt`."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _say(self, text: str, style: str | None) -> None:
        say(text, style)
        if self._file is not None:
            self._file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}")


class MetricsLog:
    """Numbers of a run: one JSON object a line in `metrics.jsonl` and, when wanted, TensorBoard scalars.

    A run that resumes at `start_step` forgets what was written of later steps.
    """

    def __init__(self, run_folder: Path, *, start_step: int = 0, tensorboard: bool = True) -> None:
        path = run_folder / METRICS_FILE
        forget_after(path, start_step)
        self._file = LineFile(path)
        self._board = _open_board(run_folder / TENSORBOARD_FOLDER, start_step) if tensorboard else None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write `values` after `step` updates; a value that is not finite becomes null.

        Raises `UserError` when the disk is full.
        """
        finite = {name: _finite(value) for name, value in values.items()}
        self._file.write(json.dumps({"step": step, **finite}))
        if self._board is not None:
            self._write_board(self._board, step, values)

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write `values` to TensorBoard alone, where it is wanted. Raises `UserError` when the disk is full."""
        if self._board is not None:
            self._write_board(self._board, step, values)

    def close(self) -> None:
        """Close all files. Raises `UserError` when the disk is full."""
        self._file.close()
        if self._board is not None:
            try:
                self._board.close()
            except OSError as error:
                raise write_error(Path(self._board.log_dir), 0, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @staticmethod
    def _write_board(board: SummaryWriter, step: int, values: Mapping[str, float]) -> None:
        try:
            for name, value in values.items():
                board.add_scalar(name, value, step)
        except OSError as error:
            raise write_error(Path(board.log_dir), 0, error) from error


def say(text: str, style: str | None = None) -> None:
    """Print `text` as it is, above the live progress line if there is one.

    Lines are never broken, so that a command in them can be copied; letters that the console lacks become `?`.
    """
    console = get_console()
    printable = text.encode(console.encoding, "replace").decode(console.encoding)
    console.print(printable, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)


def read_metrics(path: Path, max_lines: int | None = None) -> list[dict[str, Any]]:
    """The lines of the metrics file at `path`, each a dict with a `step`; nothing when there is no file.

    Of more than `max_lines` lines every second, third, … is read, and always the last: a file of a million lines then
    costs as much as a short one. Torn lines are left out.
    """
    if not path.is_file():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    stride = 1 if max_lines is None else max(1, -(-len(lines) // max_lines))
    chosen = lines[::-1][::stride][::-1]
    return [record for line in chosen if (record := _record(line)) is not None]


def _record(line: bytes) -> dict[str, Any] | None:
    """The JSON object in `line`, or None when it is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def forget_after(path: Path, step: int) -> None:
    """Cut torn lines and those of later steps than `step` out of the file at `path`, one JSON object a line."""
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if (record := _record(line)) is not None and record["step"] <= step]
    if kept != lines:
        content = b"".join(kept)
        replace_file(path, lambda temporary: _write_all(temporary, content), len(content))


def _write_all(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _finite(value: float) -> float | None:
    """`value` with as many digits as float32 has, or None."""
    return float(f"{value:.8g}") if math.isfinite(value) else None


def _open_board(folder: Path, start_step: int) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter  # slow to import

    try:
        return SummaryWriter(str(folder), purge_step=start_step + 1)
    except OSError as error:
        raise write_error(folder, 0, error) from error
