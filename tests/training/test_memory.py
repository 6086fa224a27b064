from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from unpaired.training.memory import capacity_mib, memory_mib

CPU = torch.device("cpu")
GROW = """
from unpaired.training.memory import resident_peak_bytes
before = resident_peak_bytes()
ballast = b"x" * (200 * 2**20)
grown = resident_peak_bytes()
del ballast
print(before / 2**20, grown / 2**20, resident_peak_bytes() / 2**20)
"""


def test_the_peak_grows_with_what_is_held_and_never_falls() -> None:
    ran = subprocess.run([sys.executable, "-c", GROW], check=True, capture_output=True, text=True)
    before, grown, after = map(float, ran.stdout.split())
    assert 150 < grown - before < 250, "MiB"
    assert after >= grown


@pytest.mark.skipif(sys.platform == "win32", reason="not told on Windows")
def test_the_process_fits_into_the_machine() -> None:
    capacity = capacity_mib(CPU)
    assert capacity is not None
    assert memory_mib(CPU) < capacity
