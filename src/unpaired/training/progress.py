"""One live line on a terminal, plain lines elsewhere: how far a run is, how fast, how long it will take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Self

from rich import get_console
from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unpaired.training.logs import say
from unpaired.training.memory import memory_mib

__all__ = ["Progress", "duration", "memory_mib"]

SECONDS_BETWEEN_LINES = 10.0
SPEED_MEMORY_SECONDS = 60.0
BAR_WIDTH = 20


class Speed:
    """Steps per second, smoothed: what happened a minute ago counts a third of what happens now."""

    def __init__(self, step: int, now: float) -> None:
        self._step, self._now = step, now
        self._steps = self._seconds = 0.0

    def update(self, step: int, now: float) -> None:
        """Take in that `step` was reached at the time `now`, in seconds."""
        seconds = max(0.0, now - self._now)
        keep = math.exp(-seconds / SPEED_MEMORY_SECONDS)
        self._steps = self._steps * keep + (step - self._step)
        self._seconds = self._seconds * keep + seconds
        self._step, self._now = step, now

    @property
    def per_second(self) -> float:
        """Steps per second; 0 when nothing is known."""
        return self._steps / self._seconds if self._seconds > 0 else 0.0


class Progress:
    """Shows the state of a run while it is entered. Exceptions, Ctrl-C among them, pass through."""

    def __init__(self, total_steps: int, start_step: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._step = total_steps, start_step
        self._clock = clock
        self._speed = Speed(start_step, clock())
        self._parts: list[str] = []
        self._line_due = -math.inf
        self._line_pending = False
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._speed = Speed(self._step, self._clock())
        if get_console().is_terminal:
            self._live = Live(get_renderable=self._renderable, refresh_per_second=4, console=get_console())
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._line_pending:
            self._print_line()

    def update(
        self,
        step: int,
        *,
        pictures_per_second: float,
        loss_discriminator: float,
        loss_generator: float,
        memory_mib: float,
    ) -> None:
        """Show that `step` updates are made, with the newest numbers."""
        self._speed.update(step, self._clock())
        self._step = step
        self._parts = [
            self._time_left(),
            f"D {loss_discriminator:.3g}",
            f"G {loss_generator:.3g}",
            f"{pictures_per_second:.3g} pictures/s",
            f"{memory_mib:,.0f} MiB",
        ]
        self._line_pending = True
        if self._live is None and self._clock() >= self._line_due:
            self._print_line()

    def _time_left(self) -> str:
        steps_left = self._total - self._step
        if steps_left <= 0:
            return "done"
        speed = self._speed.per_second
        return f"{duration(steps_left / speed)} left" if speed > 0 else "… left"

    def _count(self) -> str:
        return f"{self._step:,}/{self._total:,}"

    def _print_line(self) -> None:
        say("  ".join([f"step {self._count()}", *self._parts]))
        self._line_due = self._clock() + SECONDS_BETWEEN_LINES
        self._line_pending = False

    def _renderable(self) -> RenderableType:
        return live_line(self._step, self._total, [self._count(), *self._parts], get_console().width)


def live_line(step: int, total: int, parts: list[str], width: int) -> RenderableType:
    """One line of at most `width` columns: a bar if there is room, then as many of `parts` as fit, first ones first."""
    fitting = list(parts)
    while len(fitting) > 1 and len("  ".join(fitting)) > width:
        fitting.pop()
    text = Text("  ".join(fitting), no_wrap=True, overflow="ellipsis", end="")
    room = width - text.cell_len - 1
    if len(fitting) < len(parts) or room < 6:
        return text
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row(ProgressBar(total=max(1, total), completed=step, width=min(BAR_WIDTH, room)), text)
    return line


def duration(seconds: float) -> str:
    """`seconds` in words of one or two units: `48 s`, `12 min`, `3 h 20 min`, `2 d 5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
