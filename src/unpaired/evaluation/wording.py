"""Numbers, intervals and differences in words, the same on the terminal and on the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from unpaired.evaluation.comparison import Difference
from unpaired.evaluation.report import Evaluation
from unpaired.metrics.measurement import Measurement

GROUP_ORDER = ("quality", "diversity", "modes", "pairs", "edges", "identity", "round trips", "style codes")
ARROWS = {"lower": "↓", "higher": "↑", "neither": ""}


def shown(value: float | None) -> str:
    """`value` with about three digits."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    digits = next((digits for least, digits in ((100, 0), (10, 1), (1, 2)) if size >= least), 3)
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def interval(measured: Measurement) -> str:
    """The interval of `measured` as `[low, high]`, empty when none is known."""
    if measured.low is None or measured.high is None:
        return ""
    return f"[{shown(measured.low)}, {shown(measured.high)}]"


def title_of(measured: Measurement) -> str:
    """Its label, with an arrow for what is better."""
    return f"{measured.label} {ARROWS[measured.better]}".strip()


def sentence(difference: Difference, label: str) -> str:
    """What `difference` says, in one sentence."""
    what = f"{label}, {difference.direction}"
    apart = f"{difference.second} − {difference.first} = {shown(difference.value)}"
    if difference.low is not None and difference.high is not None:
        apart += f" [{shown(difference.low)}, {shown(difference.high)}]"
    if difference.method == "none":
        return f"{what}: {apart}; whether that is chance cannot be said: {difference.note}"
    if not difference.larger_than_chance:
        return f"{what}: {apart}, which may be chance"
    winner = f": {difference.better} is better" if difference.better else ""
    return f"{what}: {apart}, larger than chance{winner}"


def sentences(evaluation: Evaluation) -> Iterator[str]:
    """All differences between the candidates in words."""
    labels = {(m.name, m.direction): m.label for r in evaluation.results for m in r.measurements}
    for difference in evaluation.differences:
        yield sentence(difference, labels[difference.name, difference.direction])


def warnings_of(measurements: Sequence[Measurement | None]) -> list[str]:
    """The different warnings of one row."""
    return list(dict.fromkeys(text for m in measurements if m is not None for text in m.warnings))


def recipe_text(measured: Measurement) -> str:
    """The recipe in one line."""
    return ", ".join(f"{key} {value}" for key, value in measured.recipe.items())
