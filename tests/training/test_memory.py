from __future__ import annotations

import platform
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
    assert after > grown - 1, "the kernel counts a little late"


def test_the_peak_is_not_that_of_the_process_that_started_it() -> None:
    ballast = b"x" * (600 * 2**20)
    ran = subprocess.run([sys.executable, "-c", GROW], check=True, capture_output=True, text=True)
    assert memory_mib(CPU) > len(ballast) / 2**20
    assert float(ran.stdout.split()[0]) < 600


def test_the_process_fits_into_the_machine() -> None:
    assert memory_mib(CPU) < capacity_mib(CPU)


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc's heap")
def test_free_memory_is_given_back_although_blocks_in_use_lie_between():
    """In a process of its own, whose heap nobody else uses."""
    code = """
import psutil, torch
from unpaired.training.memory import give_back_free_memory
for _ in range(3):  # as a training does: glibc raises the size from which blocks are no part of its heap
    torch.ones(7 * 2**20)
blocks = [(torch.ones(2 * 2**20), torch.ones(2**14)) for _ in range(40)]
small = [pair[1] for pair in blocks]
held = psutil.Process().memory_info().rss
del blocks
kept = psutil.Process().memory_info().rss
give_back_free_memory()
print((held - kept) / 2**20, (held - psutil.Process().memory_info().rss) / 2**20)
"""
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    before, after = map(float, shown.split())
    assert after > 280, "320 MiB are free"
    assert before < after - 50, "glibc gave nearly all of it back by itself"


def test_a_step_imports_no_compiler():
    """Torch's own optimizers and `backward` with gradients import it, and sympy: 150 MiB that a step does not need."""
    code = """
import sys, torch
torch.set_num_threads(2)
from unpaired.models.base import Batch
from unpaired.presets import PRESETS
from unpaired.training.engine import Engine
from unpaired.training.state import TrainState
from unpaired.training.step import train_step
train_step(TrainState(PRESETS["demo"](), Engine("cpu")), Batch(*torch.rand(2, 1, 3, 32, 32)))
print(sorted({"torch._dynamo", "torch._inductor", "sympy"} & sys.modules.keys()))
"""
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
