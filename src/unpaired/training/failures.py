"""Failures of a running training, as errors with a way out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.distributed import DistBackendError

from unpaired.config import RunConfig
from unpaired.errors import Problem, UserError
from unpaired.training.memory import cheapest_saving

_CPU_ASKED = re.compile(r"tried to allocate (\d+) bytes")
_CONNECTION_LOST = re.compile(r"Connection (closed|reset) by peer|Broken pipe")  # gloo's words
_GPU_ASKED = re.compile(r"Tried to allocate ([\d.]+ [KMGT]iB)")


@contextlib.contextmanager
def explained(config: RunConfig, run_folder: Path) -> Iterator[None]:
    """Turn running out of memory into a `UserError` that says what was asked for, two ways out, and how to go on.

    And losing another process of the run into one that says where to look.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if _has_lost_a_process(error):
            raise UserError(
                f"Another process of this run has ended or cannot be reached ({str(error).splitlines()[0]})",
                "If it says nothing itself, its system may have ended it: is there memory left, and does its machine "
                f"answer? What was saved is whole: {run_folder}",
            ) from error
        asked = _asked_for(error)
        if asked is None:
            raise
        height, width = config.data.size
        raise UserError.of(
            [
                Problem(
                    f"Out of memory: {asked} more were asked for (batch {config.batch_size}, {height}x{width} px)",
                    f"{_way_out(config)} What was saved is whole: {run_folder}",
                )
            ]
        ) from error


def _way_out(config: RunConfig) -> str:
    """What needs less memory. First what computes the same, where it is not done yet."""
    flag = cheapest_saving(config)
    first = f"Add {flag}, which computes the same. " if flag else ""
    return f"{first}Lower --batch or --size, or use --precision bf16."


def _has_lost_a_process(error: BaseException) -> bool:
    return isinstance(error, DistBackendError) or _CONNECTION_LOST.search(str(error)) is not None


def _asked_for(error: BaseException) -> str | None:
    """How much memory was asked for in vain, in words; None when `error` is something else."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        match = _GPU_ASKED.search(text)
        return match[1] if match else "some MiB"
    if match := _CPU_ASKED.search(text):
        return f"{int(match[1]) / 2**20:,.1f} MiB"
    if isinstance(error, MemoryError):
        return "some MiB"
    return "some MiB" if "out of memory" in text.lower() else None
