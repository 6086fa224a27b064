"""Failures of a running training, as errors with a way out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from unpaired.config import RunConfig
from unpaired.errors import Problem, UserError

_CPU_ASKED = re.compile(r"tried to allocate (\d+) bytes")
_GPU_ASKED = re.compile(r"Tried to allocate ([\d.]+ [KMGT]iB)")


@contextlib.contextmanager
def explained(config: RunConfig, run_folder: Path) -> Iterator[None]:
    """Turn running out of memory into a `UserError` that says what was asked for, two ways out, and how to go on."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        asked = _asked_for(error)
        if asked is None:
            raise
        height, width = config.data.size
        raise UserError.of(
            [
                Problem(
                    f"Out of memory: {asked} more were asked for (batch {config.batch_size}, {height}x{width} px)",
                    f"Lower --batch or --size, or use --precision bf16. What was saved is whole: {run_folder}",
                )
            ]
        ) from error


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
