"""Command lines to show to people, ready to be copied into a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path


def resume_command(run_folder: Path) -> str:
    """The command that continues the run in `run_folder`."""
    return f"unpaired train --resume {quoted(run_folder)}"


def translate_command(run_folder: Path) -> str:
    """A command that translates a picture with the run in `run_folder`."""
    return f"unpaired translate {quoted(run_folder)} picture.png --to b"


def quoted(path: Path) -> str:
    """`path` as one argument of this system's shell."""
    return subprocess.list2cmdline([str(path)]) if os.name == "nt" else shlex.quote(str(path))
