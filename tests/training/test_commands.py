from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from unpaired.training.commands import quoted, resume_command, translate_command


@pytest.mark.skipif(os.name == "nt", reason="quoting for POSIX shells")
@pytest.mark.parametrize("name", ["plain", "with space", "it's", 'a"b', "$HOME;`x`"])
def test_a_shell_reads_the_path_as_it_is(name: str) -> None:
    path = Path("runs") / name
    assert shlex.split(resume_command(path)) == ["unpaired", "train", "--resume", str(path)]
    assert shlex.split(translate_command(path))[:3] == ["unpaired", "translate", str(path)]


@pytest.mark.skipif(os.name != "nt", reason="quoting for Windows shells")
def test_windows_shells_take_double_quotes() -> None:
    assert quoted(Path("my runs")) == '"my runs"'
