from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from unpaired.evaluation.comparison import differences, standing
from unpaired.metrics.measurement import Measurement


@dataclass(frozen=True)
class Model:
    name: str
    measurements: tuple[Measurement, ...]


def measured(value: float, **more: Any) -> Measurement:
    plain = {"name": "kid", "label": "KID", "group": "quality", "direction": "a→b", "better": "lower"}
    return Measurement(**{**plain, "value": value, "recipe": {"inputs": 4}, **more})


def of_pictures(values: list[float], **more: Any) -> Measurement:
    names = tuple(f"p{index}" for index in range(len(values)))
    return measured(float(np.mean(values)), pictures=names, per_picture=tuple(values), low=0.0, high=9.0, **more)


def compared(*measurements: Measurement) -> Any:
    models = [Model(name, (m,)) for name, m in zip("xyz", measurements, strict=False)]
    return differences(models, seed=0)


def test_a_small_but_steady_difference_is_seen_on_the_same_pictures() -> None:
    noise = np.random.default_rng(0).normal(0, 5, 60)
    (difference,) = compared(of_pictures(list(noise)), of_pictures(list(noise + 0.1)))
    assert difference.method == "paired bootstrap"
    assert difference.value == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1)
    assert difference.larger_than_chance
    assert difference.better == "x"


@pytest.mark.parametrize(("apart", "larger"), [(0.0005, False), (0.002, True)])
def test_what_no_shown_digit_tells_is_no_difference(apart: float, larger: bool) -> None:
    """However steady: rounding in another order makes a picture's value a little higher each time."""
    values = np.random.default_rng(0).normal(1, 0.1, 60)
    (difference,) = compared(of_pictures(list(values)), of_pictures(list(values + apart)))
    assert difference.low == pytest.approx(apart)
    assert difference.larger_than_chance is larger
    assert difference.better == ("x" if larger else None)


def test_the_paired_interval_is_that_of_the_mean_difference() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0, 1, 400), rng.normal(0.05, 1, 400)
    (difference,) = compared(of_pictures(list(first)), of_pictures(list(second)))
    half_width = 1.96 * np.std(second - first, ddof=1) / 20  # of the central limit theorem
    assert difference.low == pytest.approx(difference.value - half_width, abs=0.15 * half_width)
    assert difference.high == pytest.approx(difference.value + half_width, abs=0.15 * half_width)
    assert not difference.larger_than_chance
    assert difference.better is None


@pytest.mark.parametrize(("low", "larger"), [(2.5, True), (1.5, False)])
def test_without_values_of_pictures_intervals_must_not_meet(low: float, larger: bool) -> None:
    (difference,) = compared(measured(1, low=0, high=2), measured(3, low=low, high=4))
    assert difference.method == "separate intervals"
    assert difference.larger_than_chance == larger
    assert difference.better == ("x" if larger else None)


def test_higher_may_be_better() -> None:
    first, second = measured(1, low=0, high=2, better="higher"), measured(3, low=2.5, high=4, better="higher")
    assert compared(first, second)[0].better == "y"


def test_nothing_is_better_where_neither_is() -> None:
    first, second = measured(1, low=0, high=2, better="neither"), measured(3, low=2.5, high=4, better="neither")
    (difference,) = compared(first, second)
    assert difference.larger_than_chance
    assert difference.better is None
    assert standing([first, second], ["x", "y"], [difference]) == ["", ""]


def test_what_was_measured_differently_is_not_compared() -> None:
    first, second = measured(1, low=0, high=1), measured(3, low=3, high=3, recipe={"inputs": 5})
    (difference,) = compared(first, second)
    assert difference.method == "none"
    assert "inputs 4 and 5" in difference.note
    assert standing([first, second], ["x", "y"], [difference]) == ["", ""]


def test_without_any_interval_nothing_is_decided() -> None:
    assert compared(measured(1), measured(3))[0].note == "no interval is known for it"


def test_standing_of_three() -> None:
    row = [measured(5, low=4, high=6), measured(1, low=0, high=2), measured(2, low=1, high=3)]
    found = differences([Model(name, (m,)) for name, m in zip("xyz", row, strict=True)], seed=0)
    assert len(found) == 3
    assert standing(row, ["x", "y", "z"], found) == ["", "best", "as good"]
    assert standing([row[0], None, row[2]], ["x", "y", "z"], found) == ["", "", "best"]


def test_one_candidate_is_not_the_best_of_itself() -> None:
    assert standing([measured(1), None], ["x", "y"], []) == ["", ""]


def test_only_what_both_have_is_compared() -> None:
    other = measured(1, name="fid", low=0, high=1)
    assert differences([Model("x", (measured(1),)), Model("y", (other,))], seed=0) == ()
