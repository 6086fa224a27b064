"""What a step of a run takes, found by real steps of its networks on pictures small enough to be quick.

Time, arithmetic and memory of a step are a fixed part (such as moving the weights) and a part that grows with the
pixels of a batch. So two sizes tell all others, whatever the networks compute and keep, and in any precision.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from unpaired.config import RunConfig
from unpaired.models.base import Batch
from unpaired.training.engine import Engine
from unpaired.training.footprint import Size, StepCost, count_step, whole_faces
from unpaired.training.memory import resident_peak_bytes
from unpaired.training.state import TrainState
from unpaired.training.step import train_step

BUDGET_SECONDS = 30.0
BUDGET_FOR_TWO_SECONDS = 60.0  # one size alone cannot tell what every step costs from what grows with the size
STEPS_A_SIZE = 3  # at least: one that is counted, which also warms up, and two that are timed
MOST_TIMED = 6  # where the first ones do not agree
AGREEMENT = 1.15  # of the two shortest times: what differs more was disturbed
ROUND_TO_PX = 32
FRACTIONS = (8, 4, 2)  # of the side of the run's pictures


@dataclass(frozen=True)
class Measured:
    """A step on batches of `num_pixels` pixels of each domain: its cost, and this process' peak after it.

    `times` are those of the same step made again, in seconds.
    """

    num_pixels: int
    times: tuple[float, ...]
    cost: StepCost
    process_bytes: int = 0

    @property
    def seconds(self) -> float:
        """The time of the step: the shortest, as all that disturbs makes it longer."""
        return min(self.times)

    @property
    def is_steady(self) -> bool:
        """Whether the shortest time was seen twice."""
        return agree(self.times)


@dataclass(frozen=True)
class Trial:
    """What was measured, small batches first; nothing when not even a small step could be made."""

    measured: Sequence[Measured]

    def seconds(self, num_pixels: int) -> float:
        """The time of a step on batches of `num_pixels`."""
        return self._on_the_line(num_pixels, lambda item: item.seconds)

    def num_bytes(self, num_pixels: int) -> int:
        """The memory that tensors made in such a step take."""
        phases = zip(*(item.cost.phase_bytes for item in self.measured), strict=True)
        pixels = [item.num_pixels for item in self.measured]
        return round(max(grown(list(zip(pixels, phase, strict=True)), num_pixels) for phase in phases))

    def flops(self, num_pixels: int) -> int:
        """The arithmetic of such a step."""
        return round(self._on_the_line(num_pixels, lambda item: item.cost.flops))

    @property
    def unsteady(self) -> Measured | None:
        """The largest step that took a different time each time it was made; None when all times can be relied on."""
        return next((item for item in reversed(self.measured[-2:]) if not item.is_steady), None)

    @property
    def largest(self) -> Measured:
        """The step on the largest batch."""
        return self.measured[-1]

    def _on_the_line(self, num_pixels: int, value: Callable[[Measured], float]) -> float:
        return extrapolated([(item.num_pixels, value(item)) for item in self.measured], num_pixels)


def try_steps(config: RunConfig, engine: Engine) -> Trial:
    """Measure real steps of `config` on ever larger batches until the time is up."""
    state = TrainState(config, engine)
    sizes = list(trial_sizes(config))
    measured: list[Measured] = []
    with contextlib.suppress(torch.OutOfMemoryError):  # what fits has been measured
        state.step = dearest_step(state, sizes[0][1])
        measured.extend(_measurements(state, sizes))
    return Trial(measured)


def dearest_step(state: TrainState, size: Size) -> int:
    """0, or the number of the last step if that computes more: schedules may switch terms on or off.

    Makes some steps of `state` on pictures of `size`.
    """
    batch = _noise(1, size, state.engine.device)
    flops = {}
    for step in (0, state.config.steps - 1):
        state.step = step
        flops[step] = count_step(state, batch).flops
    return max(flops, key=lambda step: flops[step])


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


def extrapolated(points: Sequence[tuple[int, float]], at: int) -> float:
    """The value `at` a number on the line through the last two of `points`; in proportion to the last if that falls."""
    last_at, last = points[-1]
    if len(points) > 1:
        slope = (last - points[-2][1]) / (last_at - points[-2][0])
        at_zero = last - slope * last_at
        if slope > 0 and at_zero >= 0:
            return at_zero + slope * at
    return last * at / last_at


def grown(points: Sequence[tuple[int, float]], at: int) -> float:
    """The value `at` a number beyond the last of `points`, on the line through the last two; it never falls.

    Unlike what `extrapolated` is for, the memory of a phase may lie on a line that starts below zero.
    """
    last_at, last = points[-1]
    if len(points) == 1:
        return last * at / last_at
    slope = (last - points[-2][1]) / (last_at - points[-2][0])
    return last + max(0.0, slope) * (at - last_at)


def _measurements(state: TrainState, sizes: Sequence[tuple[int, Size]]) -> Iterator[Measured]:
    """Steps on ever larger batches of `sizes`, as many as there is time for, but one at least."""
    done: list[Measured] = []
    spent = 0.0
    for batch_size, size in sizes:
        num_pixels = batch_size * size[0] * size[1]
        budget = BUDGET_SECONDS if len(done) > 1 else BUDGET_FOR_TWO_SECONDS
        if done and spent + STEPS_A_SIZE * Trial(done).seconds(num_pixels) > budget:
            return
        start = time.perf_counter()
        batch = _noise(batch_size, size, state.engine.device)
        cost = count_step(state, batch)
        done.append(Measured(num_pixels, _times(state, batch), cost, resident_peak_bytes()))
        spent += time.perf_counter() - start
        yield done[-1]


def agree(times: Sequence[float]) -> bool:
    """Whether the two shortest of `times` are about the same, so that neither was disturbed by much."""
    if len(times) < 2:
        return False
    shortest, second = sorted(times)[:2]
    return second <= AGREEMENT * shortest


def _times(state: TrainState, batch: Batch) -> tuple[float, ...]:
    """The times of the same step, made again until two agree, or often enough, or for as long as there is time."""
    step = state.step
    times: list[float] = []
    while not agree(times) and len(times) < MOST_TIMED and (len(times) < 2 or sum(times) < BUDGET_SECONDS):
        state.step = step
        start = time.perf_counter()
        train_step(state, batch, whole_faces(batch))
        times.append(time.perf_counter() - start)
    return tuple(times)


def _noise(batch_size: int, size: Size, device: torch.device) -> Batch:
    rng = torch.Generator().manual_seed(0)
    return Batch(*(torch.rand(batch_size, 3, *size, generator=rng) * 2 - 1 for _ in "ab")).to(device)


def _rounded(side: float) -> int:
    return max(ROUND_TO_PX, round(side / ROUND_TO_PX) * ROUND_TO_PX)
