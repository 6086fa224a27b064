from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from unpaired import presets
from unpaired.models.base import Batch
from unpaired.models.munit.config import WeightsConfig
from unpaired.training import trial
from unpaired.training.engine import Engine
from unpaired.training.footprint import StepCost
from unpaired.training.state import TrainState
from unpaired.training.trial import Measured, Trial, dearest_step, extrapolated, trial_sizes, try_steps


def slow(seconds):
    """Stands in for measuring the time of a step."""
    return lambda *_: (seconds, seconds)


@pytest.fixture
def larger(changed):
    """A run on pictures that allow for two smaller sizes."""
    return changed(data=replace(changed().data, size=(128, 128)))


def sizes_tried(config, monkeypatch, seconds):
    tried: list[int] = []

    def note(_: TrainState, batch: Batch) -> StepCost:
        tried.append(batch.x_a.shape[0] * batch.x_a.shape[2] * batch.x_a.shape[3])
        return StepCost((len(tried),), len(tried))

    monkeypatch.setattr(trial, "dearest_step", lambda *_: 0)
    monkeypatch.setattr(trial, "count_step", note)
    monkeypatch.setattr(trial, "_times", slow(seconds))
    found = try_steps(config, Engine("cpu", "fp32"))
    assert [item.num_pixels for item in found.measured] == tried
    return tried


def test_all_sizes_are_measured_when_steps_are_quick(larger, monkeypatch):
    assert sizes_tried(larger, monkeypatch, 1e-6) == [32 * 32, 64 * 64, 128 * 128, 2 * 128 * 128]


def test_one_size_at_least_is_measured(larger, monkeypatch):
    assert sizes_tried(larger, monkeypatch, 1e6) == [32 * 32]


def test_a_second_size_may_take_longer_than_a_third(larger, monkeypatch):
    assert sizes_tried(larger, monkeypatch, 4.0) == [32 * 32, 64 * 64]


def test_sizes_to_try_are_legal_and_end_with_the_runs_own():
    config = replace(presets.munit(), batch_size=4, data=replace(presets.munit().data, size=(256, 384)))
    sizes = list(trial_sizes(config))
    assert sizes[-2:] == [(1, (256, 384)), (4, (256, 384))]
    assert len(sizes) > 2
    assert all(not config.model.problems(size) for _, size in sizes)


def test_values_lie_on_the_line_through_the_last_two():
    assert extrapolated([(100, 1.0)], 300) == pytest.approx(3.0)
    assert extrapolated([(100, 1.0), (200, 1.5)], 400) == pytest.approx(2.5)
    assert extrapolated([(1, 9.0), (100, 1.0), (200, 1.5)], 400) == pytest.approx(2.5)
    assert extrapolated([(100, 2.0), (200, 1.0)], 400) == pytest.approx(2.0), "noise: in proportion"


def test_a_trial_scales_time_memory_and_arithmetic():
    found = Trial([Measured(100, (1.0,), StepCost((1000,), 10)), Measured(200, (1.5,), StepCost((1900,), 20))])
    assert (found.seconds(400), found.num_bytes(400), found.flops(400)) == (2.5, 3700, 40)
    assert found.largest.num_pixels == 200


def test_the_phase_that_needs_most_at_the_size_of_the_run_counts():
    backward = Trial([Measured(10, (1.0,), StepCost((20, 500), 1)), Measured(20, (1.0,), StepCost((40, 495), 1))])
    assert [backward.num_bytes(num_pixels) for num_pixels in (20, 100, 1000)] == [495, 495, 2000]


def test_one_size_alone_is_scaled_in_proportion():
    assert Trial([Measured(100, (1.0,), StepCost((1000,), 10))]).num_bytes(300) == 3000


def test_what_is_scaled_is_what_the_larger_step_needs(larger):
    found = try_steps(larger, Engine("cpu", "fp32"))
    smaller = Trial(found.measured[:-1])
    assert smaller.num_bytes(found.largest.num_pixels) == pytest.approx(found.largest.cost.num_bytes, rel=0.15)
    assert smaller.flops(found.largest.num_pixels) == pytest.approx(found.largest.cost.flops, rel=0.15)


def test_the_dearer_end_of_a_schedule_counts(changed):
    for cycle, expected in ((((0, 10.0), (3, 0.0)), 0), (((3, 10.0),), 3)):
        config = changed(steps=4, model=replace(changed().model, weights=WeightsConfig(cycle=cycle)))
        assert dearest_step(TrainState(config, Engine("cpu", "fp32")), (32, 32)) == expected


def test_nothing_is_measured_where_nothing_fits(changed, monkeypatch):
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("for the test")

    monkeypatch.setattr(trial, "train_step", out_of_memory)
    assert try_steps(changed(), Engine("cpu", "fp32")).measured == []


class TestTimes:
    """How often a step is timed, on a machine of which the test says how long each step takes."""

    @pytest.fixture
    def timed(self, changed, monkeypatch):
        def of(*durations: float) -> Measured:
            state = TrainState(changed(), Engine("cpu", "fp32"))
            clock, left = [0.0], iter(durations)

            def step(*_: object) -> None:
                clock[0] += next(left)

            monkeypatch.setattr(trial, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
            monkeypatch.setattr(trial, "train_step", step)
            noise = trial._noise(1, (32, 32), torch.device("cpu"))
            return Measured(1, trial._times(state, noise), StepCost((1,), 1))

        return of

    @pytest.mark.parametrize(
        ("durations", "num_timed", "seconds"),
        [
            ((1.0, 1.1), 2, 1.0),
            ((9.0, 1.1, 1.0), 3, 1.0),
            ((1.0, 5.0, 1.05), 3, 1.0),
            ((3.0, 2.5, 2.0, 1.5, 1.0, 1.1), 6, 1.0),
        ],
    )
    def test_a_step_is_made_again_until_two_agree(self, timed, durations, num_timed, seconds):
        found = timed(*durations)
        assert (len(found.times), found.seconds, found.is_steady) == (num_timed, seconds, True)

    def test_what_never_agrees_is_given_up_and_known_to_be_doubtful(self, timed):
        found = timed(*(2.0**-number for number in range(trial.MOST_TIMED)))
        assert len(found.times) == trial.MOST_TIMED
        assert not found.is_steady

    def test_long_steps_are_not_repeated_for_ever(self, timed):
        assert timed(20.0, 40.0).times == (20.0, 40.0)


def test_the_time_is_doubtful_where_a_step_that_it_follows_from_was():
    steady, other = ((1.0, 1.0, 9.0), (1.0, 2.0))
    costs = {"cost": StepCost((1,), 1)}
    first, second, third = (
        [Measured(number, times, **costs) for number, times in enumerate(case)]
        for case in ((other, steady, steady), (steady, other, steady), (steady, other, other))
    )
    assert Trial(first).unsteady is None, "what is larger says more"
    assert Trial(second).unsteady is second[1]
    assert Trial(third).unsteady is third[2]
    assert Trial([]).unsteady is None
