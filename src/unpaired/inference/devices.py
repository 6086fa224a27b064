"""Where translation computes, and how exactly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from unpaired.errors import UsageError, did_you_mean

_AVAILABLE: dict[str, Callable[[], bool]] = {
    "cpu": lambda: True,
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
}

Precision = Literal["fp32", "bf16"]
_PRECISIONS: dict[str, Precision] = {"fp32": "fp32", "bf16": "bf16"}


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the fastest there is. Raises `UsageError` when this machine has none such."""
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if _AVAILABLE[device]())
    if name not in _AVAILABLE:
        raise UsageError(f"--device {name}: there is no such kind", did_you_mean(name, ["auto", *_AVAILABLE]))
    if not _AVAILABLE[name]():
        raise UsageError(f"--device {name}: this machine or installation of torch has none", "Use --device auto.")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> Precision:
    """`fp32` or `bf16`; `auto` is bf16 on a CUDA device that has it, as in training. Raises `UsageError`."""
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if name not in _PRECISIONS:
        raise UsageError(f"--precision {name}: there is no such kind", did_you_mean(name, ["auto", *_PRECISIONS]))
    return _PRECISIONS[name]


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The context in which networks run: convolutions and matrix products in bfloat16, or float32 throughout."""
    if precision == "fp32":
        return nullcontext()
    context: AbstractContextManager[None] = torch.autocast(device.type, dtype=torch.bfloat16)
    return context
