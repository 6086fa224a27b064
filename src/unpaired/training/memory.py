"""How much memory this process has taken so far."""

from __future__ import annotations

import os
import sys

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


def capacity_mib(device: torch.device) -> float | None:
    """How much memory there is in MiB: on the device, or in this machine for a CPU; None where that is not told."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / MIB
    if device.type == "mps":
        return torch.mps.recommended_max_memory() / MIB
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MIB
    return None


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _MemoryCounters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS of psapi.h."""

        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
            ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        )

    def resident_peak_bytes() -> int:
        """The most physical memory, in bytes, that this process has had. Raises `OSError` when Windows refuses."""
        counters = _MemoryCounters(cb=ctypes.sizeof(_MemoryCounters))
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.GetCurrentProcess.restype = wintypes.HANDLE
        ask = kernel32.K32GetProcessMemoryInfo
        ask.argtypes = (wintypes.HANDLE, ctypes.POINTER(_MemoryCounters), wintypes.DWORD)
        if not ask(kernel32.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
            raise ctypes.WinError(ctypes.get_last_error())
        return int(counters.PeakWorkingSetSize)

else:
    import resource

    def resident_peak_bytes() -> int:
        """The most physical memory, in bytes, that this process has had."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB
