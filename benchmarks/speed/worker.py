"""One side of a comparison in a process of its own, which sleeps while another side works."""

from __future__ import annotations

import math
import multiprocessing
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from unpaired.errors import UserError

Unit = Callable[[], object]
"""Some work to be timed, such as one training step."""

Contender = Callable[[], Unit]
"""Makes everything that a unit of work needs. Travels to another process, so it is a function or a partial of one."""

MAX_REPEATS = 100


@dataclass(frozen=True)
class Terms:
    """What a process works with. Short units are repeated for `seconds`, to warm up and in each measurement."""

    threads: int
    device: str
    seconds: float = 2.0


@dataclass(frozen=True)
class Measured:
    """Seconds of one unit of work, and the process's peak memory so far in MiB."""

    seconds: float
    mib: float


class Worker:
    """A process that prepares `contender` and makes a unit of its work whenever `measure` is called.

    It starts and is warmed up when the context is entered, and ends when it is left. On a CPU memory is the peak of the
    whole process, on CUDA that of its tensors. With a `source` it imports from that folder what is there.
    """

    def __init__(self, name: str, contender: Contender, terms: Terms, source: Path | None = None) -> None:
        self.name = name
        self._contender, self._terms, self._source = contender, terms, source

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._contender, self._terms))
        with _importing_from(self._source):
            self._process.start()
        theirs.close()  # so that the pipe breaks when the process ends
        try:
            self._answer()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._end()

    def measure(self) -> Measured:
        """What one unit takes now. Raises `UserError` when the process fails."""
        self._pipe.send("measure")
        answer = self._answer()
        assert isinstance(answer, Measured)
        return answer

    def _answer(self) -> object:
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            self._process.join()
            raise UserError(
                f"{self.name}: its process ended with code {self._process.exitcode}",
                "Code -9 means that memory ran out: choose smaller tasks with --only, one precision with --precision.",
            ) from error
        if isinstance(answer, str):
            raise UserError(f"{self.name} failed:\n{answer}", "Leave its tasks out: see --only.")
        return answer

    def _end(self) -> None:
        self._pipe.close()  # what the process waits for
        self._process.join(timeout=20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@contextmanager
def _importing_from(source: Path | None) -> Iterator[None]:
    """Within it, processes that start look into `source` for modules first."""
    path = list(sys.path)
    if source is not None:
        sys.path.insert(0, str(source))
    try:
        yield
    finally:
        sys.path[:] = path


def _serve(pipe: Connection, contender: Contender, terms: Terms) -> None:
    """Prepare and warm up, answer None; then answer each message with a `Measured`. A failure is answered as text."""
    warnings.simplefilter("ignore")  # reference codes call what is deprecated by now
    try:
        import torch

        torch.set_num_threads(terms.threads)
        unit = contender()
        repeats = _warm_up(unit, terms)
        pipe.send(None)
        while True:
            pipe.recv()
            pipe.send(Measured(_timed(unit, repeats, terms.device), _peak_mib(terms.device)))
    except (EOFError, KeyboardInterrupt):  # nobody waits any more
        return
    except Exception:
        pipe.send(traceback.format_exc())


def _warm_up(unit: Unit, terms: Terms) -> int:
    """How often to repeat `unit` in a measurement, found while it is repeated for the first times."""
    end = time.perf_counter() + terms.seconds
    seconds = _timed(unit, 1, terms.device)
    while time.perf_counter() < end:
        seconds = _timed(unit, 1, terms.device)
    return min(MAX_REPEATS, max(1, math.ceil(terms.seconds / seconds)))


def _timed(unit: Unit, repeats: int, device: str) -> float:
    """The mean seconds of `repeats` units."""
    start = time.perf_counter()
    for _ in range(repeats):
        unit()
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def _peak_mib(device: str) -> float:
    import torch

    from unpaired.training.memory import memory_mib

    return memory_mib(torch.device(device))
