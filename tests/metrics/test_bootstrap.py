from __future__ import annotations

import numpy as np
import pytest

from unpaired.metrics.bootstrap import NUM_RESAMPLES, Estimate, estimate, mean_estimate


def test_the_interval_of_a_mean_is_that_of_resampling_one_by_one() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=60)
    found = mean_estimate(values, seed=0)
    rng = np.random.default_rng(2)
    means = [rng.choice(values, size=60).mean() for _ in range(20_000)]
    assert found.value == pytest.approx(values.mean())
    assert [found.low, found.high] == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.04)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for seed in range(200):
        found = mean_estimate(rng.normal(5.0, 2.0, size=50), seed=seed)
        covered += found.low <= 5.0 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval_and_another_one_hardly_differs() -> None:
    values = np.arange(40.0)
    assert mean_estimate(values, seed=4) == mean_estimate(values, seed=4)
    other = mean_estimate(values, seed=5)
    assert other != mean_estimate(values, seed=4)
    assert other.low == pytest.approx(mean_estimate(values, seed=4).low, abs=0.5)


def test_equal_values_leave_no_doubt() -> None:
    assert mean_estimate(np.full(7, 0.5), seed=0) == Estimate(0.5, 0.5, 0.5)
    assert mean_estimate(np.array([3.0]), seed=0) == Estimate(3.0, 3.0, 3.0)


def test_a_statistic_gets_as_many_draws_as_there_are_pictures() -> None:
    seen: list[np.ndarray] = []

    def first(weights: np.ndarray) -> np.ndarray:
        seen.append(weights)
        return weights[:, 0]

    found = estimate(first, 9, seed=0)
    draws, everything = seen
    assert draws.shape == (NUM_RESAMPLES, 9)
    assert (draws.sum(axis=1) == 9).all()
    assert everything.tolist() == [[1.0] * 9]
    assert found.value == 1


def test_samples_that_say_nothing_are_left_out() -> None:
    found = estimate(lambda weights: np.where(weights[:, 0] > 0, 2.0, np.nan), 3, seed=0)
    assert (found.low, found.high) == (2.0, 2.0)


def test_it_reads_well() -> None:
    assert str(Estimate(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
