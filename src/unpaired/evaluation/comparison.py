"""Which of several candidates is better, and whether the difference is larger than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, Protocol

import numpy as np

from unpaired.metrics.bootstrap import mean_estimate
from unpaired.metrics.measurement import Measurement

NEGLIGIBLE = 1e-3
"""Of the values: what two codes that round differently are apart, and no digit that is shown tells."""

Method = Literal["paired bootstrap", "separate intervals", "none"]


class Measured(Protocol):
    """A candidate with its measurements."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """What was measured of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far the candidate `second` is from `first` in one measurement: `value` is second minus first.

    With the method "paired bootstrap" `low` and `high` are the 95 % interval of the difference on the same pictures,
    and it is larger than chance when 0 is outside. With "separate intervals" it is when those of both do not meet: a
    stricter test. What is `NEGLIGIBLE` never is. "none": at least one has no interval, or they were not measured in the
    same way, as `note` says.
    `better` is the name of the better one, None when that is not decided or there is no better.
    """

    name: str
    direction: str
    first: str
    second: str
    value: float
    method: Method
    low: float | None = None
    high: float | None = None
    larger_than_chance: bool = False
    better: str | None = None
    note: str = ""


def differences(candidates: Sequence[Measured], *, seed: int) -> tuple[Difference, ...]:
    """The differences of every two of `candidates` in everything that was measured of both."""
    found = []
    for first, second in combinations(candidates, 2):
        others = {(m.name, m.direction): m for m in second.measurements}
        for measured in first.measurements:
            other = others.get((measured.name, measured.direction))
            if other is not None:
                found.append(_difference(first.name, measured, second.name, other, seed))
    return tuple(found)


def standing(row: Sequence[Measurement | None], names: Sequence[str], found: Sequence[Difference]) -> list[str]:
    """For each candidate of a `row` of measurements: "best", "as good" within chance, or "".

    Empty for all where there is no better value, or fewer than two candidates were measured.
    """
    measured = [(m, name) for m, name in zip(row, names, strict=True) if m is not None and np.isfinite(m.value)]
    if len(measured) < 2 or measured[0][0].better == "neither":
        return [""] * len(row)
    sign = 1 if measured[0][0].better == "lower" else -1
    best, best_name = min(measured, key=lambda pair: sign * pair[0].value)
    own = [
        d for d in found if (d.name, d.direction) == (best.name, best.direction) and best_name in (d.first, d.second)
    ]
    if any(d.method == "none" for d in own):
        return [""] * len(row)
    as_good = {name for d in own if not d.larger_than_chance for name in (d.first, d.second)}
    as_good &= {name for _, name in measured}
    return ["best" if name == best_name else "as good" if name in as_good else "" for name in names]


def _difference(first: str, a: Measurement, second: str, b: Measurement, seed: int) -> Difference:
    plain = Difference(
        name=a.name, direction=a.direction, first=first, second=second, value=b.value - a.value, method="none"
    )
    if not a.comparable_to(b):
        return replace(plain, note=f"measured differently: {_differing(a, b)}")
    if a.pictures and a.pictures == b.pictures:
        interval = mean_estimate(np.array(b.per_picture) - np.array(a.per_picture), seed=seed)
        found = replace(plain, method="paired bootstrap", low=interval.low, high=interval.high)
        larger = interval.low > 0 or interval.high < 0
    elif a.low is None or a.high is None or b.low is None or b.high is None:
        return replace(plain, note="no interval is known for it")
    else:
        found = replace(plain, method="separate intervals")
        larger = a.high < b.low or b.high < a.low
    larger = larger and abs(plain.value) >= NEGLIGIBLE * max(abs(a.value), abs(b.value))
    better = _better(first, second, plain.value, a) if larger else None
    return replace(found, larger_than_chance=larger, better=better)


def _better(first: str, second: str, value: float, measured: Measurement) -> str | None:
    if measured.better == "neither":
        return None
    return second if (value < 0) == (measured.better == "lower") else first


def _differing(a: Measurement, b: Measurement) -> str:
    keys = [key for key in {**a.recipe, **b.recipe} if a.recipe.get(key) != b.recipe.get(key)]
    return ", ".join(f"{key} {a.recipe.get(key, 'none')} and {b.recipe.get(key, 'none')}" for key in keys)
