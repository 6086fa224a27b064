"""How fast a device multiplies matrices in each type of number, and what that says about `--precision bf16`.

A GPU gains from bfloat16. A processor gains only when it has units for it (AMX, or AVX512-BF16 at twice the speed of
float32); others multiply bfloat16 more slowly than float32.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from unpaired.layers.products import product

MATRIX_SIDE = 1024
SECONDS_A_TYPE = 0.1
CLEARLY_SLOWER = 0.9  # of the speed in float32; what is nearer to it may be chance
CLEARLY_FASTER = 1.5  # the same: products are a part of a step, and all else is little faster in 16 bits


@dataclass(frozen=True)
class Speeds:
    """Speeds of a matrix product in GFLOP/s; None when the type of number does not work on the device."""

    fp32: float | None
    bf16: float | None

    @property
    def bf16_is_slower(self) -> bool:
        """Whether the device multiplies bfloat16 clearly more slowly than float32."""
        return self.fp32 is not None and self.bf16 is not None and self.bf16 < CLEARLY_SLOWER * self.fp32

    @property
    def bf16_is_faster(self) -> bool:
        """Whether the device multiplies bfloat16 so much faster that steps take clearly less time."""
        return self.fp32 is not None and self.bf16 is not None and self.bf16 > CLEARLY_FASTER * self.fp32


def measured_speeds(device: torch.device) -> Speeds:
    """The speeds of `device`; takes about a fifth of a second."""
    return Speeds(gflops(device, torch.float32), gflops(device, torch.bfloat16))


def gflops(device: torch.device, dtype: torch.dtype) -> float | None:
    """10^9 operations per second of a small matrix product, or None when `device` cannot multiply `dtype`.

    The fastest of some products counts: others are those that had to wait.
    """
    try:
        matrix = torch.ones(MATRIX_SIDE, MATRIX_SIDE, device=device, dtype=dtype)
        if product(matrix, matrix)[0, 0].item() != MATRIX_SIDE:
            return None
    except (RuntimeError, TypeError):  # no kernel for this device or type
        return None
    times: list[float] = []
    deadline = time.perf_counter() + SECONDS_A_TYPE
    while not times or time.perf_counter() + times[-1] < deadline:
        start = time.perf_counter()
        product(matrix, matrix)[0, 0].item()  # waits until the product is there
        times.append(time.perf_counter() - start)
    return 2 * MATRIX_SIDE**3 / min(times) / 1e9


def slower_than_needed(device: torch.device, setting: str) -> str | None:
    """Why the `setting` of `--precision` makes runs on `device` slower than they have to be; None when it does not.

    Measures only a CPU, where "auto" is float32 so that pictures are the same on every machine. Who asks for float32
    is told nothing.
    """
    if device.type != "cpu" or setting == "fp32":
        return None
    speeds = measured_speeds(device)
    if setting == "bf16" and speeds.bf16_is_slower:
        way_out = "--precision fp32, unless memory is short"
    elif setting == "auto" and speeds.bf16_is_faster:
        way_out = "--precision bf16, which rounds more"
    else:
        return None
    return (
        f"--precision {setting}: this processor multiplies matrices at {speeds.bf16:,.0f} GFLOP/s in bf16 and at "
        f"{speeds.fp32:,.0f} in fp32, so steps take longer than they have to. Use {way_out}."
    )
