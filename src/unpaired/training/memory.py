"""How much memory this process has taken so far."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil
import torch

MIB = 2**20


def memory_mib(device: torch.device) -> float:
    """The peak memory in MiB: of the tensors on a CUDA device, of the driver on MPS, of the whole process on a CPU.

    On MPS it is what the driver holds now, for want of a peak; its cache seldom shrinks.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / MIB
    return resident_peak_bytes() / MIB


def capacity_mib(device: torch.device) -> float:
    """How much memory there is in MiB: on the device, or in this machine for a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / MIB
    if device.type == "mps":
        return torch.mps.recommended_max_memory() / MIB
    return float(psutil.virtual_memory().total / MIB)


def resident_peak_bytes() -> int:
    """The most physical memory, in bytes, that this process has had."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    elif sys.platform == "linux":
        # not getrusage: there a process starts with the peak of the one that started it
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    else:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def give_back_free_memory() -> None:
    """Give what the C library holds between blocks in use back to the system. Does nothing without glibc.

    A step's maps of many sizes leave holes, which glibc keeps for later: of MUNIT at 256 px a tenth of the peak. They
    are filled with zeros again when they are needed, which took 2 to 4 % of such a step.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found
