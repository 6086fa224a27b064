"""What the numbers were measured with, for `machine.json`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.speed.tasks import Call

from unpaired.errors import Problem

SAME = ("processor", "cores", "gpu", "threads", "torch")
"""What has to be the same for numbers to be held against each other."""


def describe(call: Call) -> dict[str, Any]:
    """The machine, the versions and the commits of all codes."""
    import psutil
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if call.device == "cuda" else None,
        "threads": call.threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "commits": {
            "unpaired": _commit(Path(__file__).parent),
            "munit": _commit(call.munit),
            "ugatit": _commit(call.ugatit),
        },
        "date": datetime.now(UTC).date().isoformat(),
        "product_gflops": {},
    }


def other_machine_problem(path: Path, machine: Mapping[str, Any]) -> Problem | None:
    """Why results made now cannot stand beside those that `path` describes, or None."""
    if not path.exists():
        return None
    before = json.loads(path.read_text(encoding="utf-8"))
    differences = [f"{key} {before.get(key)}, now {machine[key]}" for key in SAME if before.get(key) != machine[key]]
    if not differences:
        return None
    return Problem(f"--out {path.parent}: holds results made with {'; '.join(differences)}", "Name another folder.")


def _processor() -> str:
    """The name of the processor as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit(folder: Path | None) -> str | None:
    """The commit that `folder` is checked out at; None without one."""
    if folder is None:
        return None
    try:
        call = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
