"""How raw results become measurements: with interval, recipe and warnings, the same for all metrics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from unpaired.evaluation.subjects import Subject
from unpaired.metrics.bootstrap import mean_estimate
from unpaired.metrics.measurement import Better, Group, Measurement

FEW_PICTURES = 30
"""With fewer values a bootstrap interval of their mean is too narrow."""

INTERVAL = "95 %, bootstrap over pictures"
"""What recipes say of intervals."""

Recipe = Mapping[str, str | int | float]


def recipe_of(subject: Subject, **more: str | int | float) -> dict[str, str | int | float]:
    """What every recipe says, and `more`."""
    direction = subject.direction
    height, width = direction.size
    styles = {"styles of": "training pictures"} if direction.by_example and subject.has_styles else {}
    return {**more, **styles, "size": f"{height}x{width}", "inputs": len(direction.inputs)}


def warnings_of_count(num_pictures: int) -> tuple[str, ...]:
    """A warning where `num_pictures` are too few for an interval to be trusted."""
    return (f"only {num_pictures} pictures: the interval is rough",) if num_pictures < FEW_PICTURES else ()


def mean_of(
    values: Tensor,
    *,
    name: str,
    label: str,
    group: Group,
    direction: str,
    better: Better,
    labels: tuple[str, ...],
    seed: int,
    recipe: Recipe,
    warnings: tuple[str, ...] = (),
) -> Measurement:
    """The mean of one value (N,) for each picture of `labels`, with its bootstrap interval and all values."""
    per_picture = values.detach().double().cpu().numpy().astype(np.float64)
    found = mean_estimate(per_picture, seed=seed)
    return Measurement(
        name=name,
        label=label,
        group=group,
        direction=direction,
        value=found.value,
        low=found.low,
        high=found.high,
        better=better,
        recipe={**recipe, "interval": INTERVAL, "seed": seed},
        warnings=(*warnings, *warnings_of_count(len(per_picture))),
        pictures=labels,
        per_picture=tuple(per_picture.tolist()),
    )
