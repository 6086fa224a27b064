"""What the commands that measure in turn have in common: their flags, what is wrong with them, how they end."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.speed.tasks import Precision

from unpaired.errors import Problem, UserError

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def exit_code_of(work: Callable[[Path], None]) -> int:
    """Do `work` with a folder for its files, which is gone afterwards; a `UserError` is told on stderr."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            work(Path(folder))
    except UserError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return error.exit_code
    return 0


def add_flags(parser: argparse.ArgumentParser, *, rounds: int) -> None:
    """The flags of how to measure; `rounds` is the default of one of them."""
    parser.add_argument("--rounds", type=int, default=rounds, help=f"measurements of each side, in turn ({rounds})")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each process (one for each core)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def flag_problems(options: argparse.Namespace) -> Iterator[Problem]:
    """What is wrong with the flags of `add_flags`."""
    import torch

    for flag in ("rounds", "threads"):
        value = getattr(options, flag)
        if value < 1:
            yield Problem(f"--{flag} {value}: is too few", "It takes 1 or more.")
    if options.device == "cuda" and not torch.cuda.is_available():
        yield Problem("--device cuda: this machine or this build of torch has none", "Leave it out to use the CPU.")
