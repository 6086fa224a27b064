"""Values that depend on the step and on nothing else, so that a resumed run needs no saved schedule state.

`step` is the number of updates already made: the first update of a run is step 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

from annotated_types import Ge, MinLen

from unpaired.errors import Problem

Step = Annotated[int, Ge(0)]
Weight = Annotated[float, Ge(0.0)]
Scheduled = Weight | Annotated[tuple[tuple[Step, Weight], ...], MinLen(1)]
"""A constant, or `[[step, value], ...]`: each value holds from its step on; before the first step it is 0."""


def value_at(schedule: Scheduled, step: int) -> float:
    """The value that `schedule` has for the update after `step` updates."""
    if not isinstance(schedule, tuple):
        return float(schedule)
    value = 0.0
    for start, new_value in schedule:
        if step >= start:
            value = new_value
    return value


def is_ever_positive(schedule: Scheduled) -> bool:
    """Whether `schedule` is above 0 at any step."""
    return any(value > 0 for _, value in schedule) if isinstance(schedule, tuple) else schedule > 0


def schedule_problem(schedule: Scheduled) -> str | None:
    """Why `schedule` cannot be used, or None. Its steps have to grow."""
    if isinstance(schedule, tuple):
        starts = [start for start, _ in schedule]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            return f"the steps {starts} do not grow"
    return None


def schedule_problems(schedules: Mapping[str, Scheduled]) -> list[Problem]:
    """What is wrong with `schedules`, by the path of each setting."""
    found = {path: schedule_problem(schedule) for path, schedule in schedules.items()}
    hint = "Write [[step, value], ...] in growing steps."
    return [Problem(f"{path}: {why}", hint) for path, why in found.items() if why]
