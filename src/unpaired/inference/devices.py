"""Where translation computes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from unpaired.errors import UsageError, did_you_mean

_AVAILABLE: dict[str, Callable[[], bool]] = {
    "cpu": lambda: True,
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
}


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the fastest there is. Raises `UsageError` when this machine has none such."""
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if _AVAILABLE[device]())
    if name not in _AVAILABLE:
        raise UsageError(f"--device {name}: there is no such kind", did_you_mean(name, ["auto", *_AVAILABLE]))
    if not _AVAILABLE[name]():
        raise UsageError(f"--device {name}: this machine or installation of torch has none", "Use --device auto.")
    return torch.device(name)
