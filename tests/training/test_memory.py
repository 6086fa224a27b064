from __future__ import annotations

import subprocess
import sys

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
    assert after > grown - 1, "the kernel counts a little late"


def test_the_peak_is_not_that_of_the_process_that_started_it() -> None:
    ballast = b"x" * (600 * 2**20)
    ran = subprocess.run([sys.executable, "-c", GROW], check=True, capture_output=True, text=True)
    assert memory_mib(CPU) > len(ballast) / 2**20
    assert float(ran.stdout.split()[0]) < 600


def test_the_process_fits_into_the_machine() -> None:
    assert memory_mib(CPU) < capacity_mib(CPU)
