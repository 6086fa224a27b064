"""How long a step takes, measured: real steps of the real networks on pictures small enough to be quick."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unpaired.config import RunConfig
from unpaired.models.base import Batch
from unpaired.training.engine import Engine
from unpaired.training.footprint import (
    Size,
    StepCost,
    batch_without_content,
    count_step,
    extra_losses_without_content,
    method_without_content,
    whole_faces,
)
from unpaired.training.state import TrainState
from unpaired.training.step import train_step

BUDGET_SECONDS = 5.0
BUDGET_FOR_TWO_SECONDS = 20.0  # one size alone cannot tell what every step costs from what grows with the size
LONG_SECONDS = 1.0  # after a step as long as this, two steps are enough
ROUND_TO_PX = 32
FRACTIONS = (8, 4, 2)  # of the side of the run's pictures


@dataclass(frozen=True)
class Measured:
    """One measured step: its arithmetic and its time."""

    flops: int
    seconds: float


@dataclass(frozen=True)
class Kept:
    """Autograd keeps `fixed_bytes` + `ratio` × what it keeps in float32.

    Reduced precision is not simply half: norms and losses stay in float32, and casts keep copies, also of the weights.
    """

    ratio: float = 1.0
    fixed_bytes: int = 0

    def bytes_for(self, float32_bytes: int) -> int:
        """The bytes that are kept where float32 keeps `float32_bytes`."""
        return round(self.fixed_bytes + self.ratio * float32_bytes)


@dataclass(frozen=True)
class Trial:
    """`seconds`: what a step of the run takes by the measurements, or None when not even a small one could be made.

    `kept`: what autograd keeps in the run's precision, by what it keeps in float32.
    """

    seconds: float | None
    kept: Kept


def try_steps(config: RunConfig, engine: Engine, flops: int, step: int) -> Trial:
    """Measure real steps until the time is up, and scale to the run's `flops` for the update after `step` updates."""
    state = TrainState(config, engine)
    sizes = list(trial_sizes(config))
    measured: list[Measured] = []
    with contextlib.suppress(torch.OutOfMemoryError):  # what fits has been measured
        measured.extend(_measurements(state, sizes, step))
    kept = Kept() if engine.precision == "fp32" else _kept(state, sizes[0][1], step)
    return Trial(extrapolated(measured, flops) if measured else None, kept)


def trial_sizes(config: RunConfig) -> Iterator[tuple[int, Size]]:
    """Batch sizes and picture sizes (height, width) to try, small ones first, the run's own last."""
    seen = set()
    height, width = config.data.size
    for fraction in FRACTIONS:
        size = (_rounded(height / fraction), _rounded(width / fraction))
        if size not in seen and not config.model.problems(size) and size[0] * size[1] < height * width:
            seen.add(size)
            yield 1, size
    yield 1, config.data.size
    if config.batch_size > 1:
        yield config.batch_size, config.data.size


def extrapolated(measured: Sequence[Measured], flops: int) -> float:
    """The seconds for `flops`: on the line through the last two measurements, or in proportion to the last.

    The line allows for what every step costs whatever the size, such as moving the weights.
    """
    last = measured[-1]
    if len(measured) > 1:
        slope = (last.seconds - measured[-2].seconds) / (last.flops - measured[-2].flops)
        at_zero = last.seconds - slope * last.flops
        if slope > 0 and at_zero >= 0:
            return at_zero + slope * flops
    return last.seconds * flops / last.flops


def _measurements(state: TrainState, sizes: Sequence[tuple[int, Size]], step: int) -> Iterator[Measured]:
    """Steps on ever larger pictures of `sizes`, as many as there is time for, but one at least."""
    done: list[Measured] = []
    spent = 0.0
    for batch_size, size in sizes:
        flops = _counted(state.config, batch_size, size, step).flops
        budget = BUDGET_SECONDS if len(done) > 1 else BUDGET_FOR_TWO_SECONDS
        if done and spent + 2 * extrapolated(done, flops) > budget:
            return
        start = time.perf_counter()
        done.append(Measured(flops, _seconds(state, _noise(batch_size, size, state.engine.device))))
        spent += time.perf_counter() - start
        yield done[-1]


def _seconds(state: TrainState, batch: Batch) -> float:
    """The time of a step: the shortest of one or two, after one that warms up."""
    times: list[float] = []
    while len(times) < 2 or (len(times) < 3 and times[-1] < LONG_SECONDS):
        start = time.perf_counter()
        train_step(state, batch, whole_faces(batch))
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _counted(config: RunConfig, batch_size: int, size: Size, step: int) -> StepCost:
    """The cost of a step of `config` with pictures of `size`, in float32."""
    extra_losses = extra_losses_without_content(config.losses)
    return count_step(method_without_content(config.model), batch_without_content(batch_size, size), step, extra_losses)


def _noise(batch_size: int, size: Size, device: torch.device) -> Batch:
    rng = torch.Generator().manual_seed(0)
    return Batch(*(torch.rand(batch_size, 3, *size, generator=rng) * 2 - 1 for _ in "ab")).to(device)


def _kept(state: TrainState, size: Size, step: int) -> Kept:
    """What autograd keeps in the run's precision: on the line through small steps with one picture and with two."""
    engine = state.engine
    one, two = (
        count_step(state.method, _noise(num, size, engine.device), step, state.extra_losses, engine.autocast).kept_bytes
        for num in (1, 2)
    )
    one_float32, two_float32 = (_counted(state.config, num, size, step).kept_bytes for num in (1, 2))
    ratio = (two - one) / (two_float32 - one_float32)
    return Kept(ratio, max(0, round(one - ratio * one_float32)))


def _rounded(side: float) -> int:
    return max(ROUND_TO_PX, round(side / ROUND_TO_PX) * ROUND_TO_PX)
