from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpaired.schedules import schedule_problem, value_at

STEPS = st.integers(0, 10**7)
WEIGHTS = st.floats(0, 1e6)
SCHEDULES = st.dictionaries(STEPS, WEIGHTS, min_size=1).map(lambda points: tuple(sorted(points.items())))


def test_a_constant_holds_at_every_step() -> None:
    assert [value_at(2.5, step) for step in (0, 1, 10**9)] == [2.5] * 3


def test_a_value_holds_from_its_step_on() -> None:
    schedule = ((0, 1.0), (80_000, 0.3))
    assert value_at(schedule, 0) == 1.0
    assert value_at(schedule, 79_999) == 1.0
    assert value_at(schedule, 80_000) == 0.3
    assert value_at(schedule, 10**6) == 0.3


def test_before_its_first_step_a_schedule_is_zero() -> None:
    assert value_at(((10, 1.0),), 9) == 0.0


@given(SCHEDULES, STEPS)
def test_the_value_is_that_of_the_last_step_reached(schedule: tuple[tuple[int, float], ...], step: int) -> None:
    reached = [value for start, value in schedule if start <= step]
    assert value_at(schedule, step) == (reached[-1] if reached else 0.0)


@given(SCHEDULES)
def test_growing_steps_are_no_problem(schedule: tuple[tuple[int, float], ...]) -> None:
    assert schedule_problem(schedule) is None


@pytest.mark.parametrize("schedule", [((5, 1.0), (5, 2.0)), ((9, 1.0), (3, 2.0)), ((0, 1.0), (9, 1.0), (8, 1.0))])
def test_steps_that_do_not_grow_are_a_problem(schedule: tuple[tuple[int, float], ...]) -> None:
    problem = schedule_problem(schedule)
    assert problem is not None
    assert str([start for start, _ in schedule]) in problem


def test_a_constant_is_no_problem() -> None:
    assert schedule_problem(0.0) is None
