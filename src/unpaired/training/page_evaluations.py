"""The measurements of a run on its page: a small chart for each, drawn as SVG, that needs no script."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from unpaired.training.checkpoint import Best

WIDTH_PX, HEIGHT_PX = 460, 190
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 46, 24, 12, 22
NUM_TICKS = 4
COLOURS = {"b": 1, "a": 0}
BETTER = {"lower": "Lower is better.", "higher": "Higher is better.", "neither": "Read it with the quality."}


Scale = Callable[[float], float]
"""From a number to pixels."""


@dataclass(frozen=True)
class Point:
    """A number after `step` updates with its interval; `low` and `high` are the number itself where none is known."""

    step: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Chart:
    """All values of one measurement: its label, what is better, and its points by domain translated to."""

    label: str
    better: str
    points: Mapping[str, tuple[Point, ...]]


def section(records: Sequence[Mapping[str, Any]], best: Best | None, names: tuple[str, str]) -> str:
    """The section of the page with all measurements in `records`, or nothing. `names` are those of the domains."""
    found = charts(records)
    if not found:
        return ""
    tiles = "".join(_figure(chart, best, names) for chart in found)
    kept = (
        ""
        if best is None
        else f" The best value of {escape(best.name)} so far was at step {best.step:,} (dashed line)."
    )
    note = f"Held-out pictures, the same every time; thin lines are intervals of 95 %.{kept}"
    return (
        f'<section id="measured"><h2>Measurements</h2><p class="note">{note}</p>'
        f'<div class="tiles charts">{tiles}</div></section>'
    )


def link(records: Sequence[Mapping[str, Any]]) -> str:
    """The link to the section, or nothing where there is none."""
    return '<a href="#measured">Measurements</a>' if charts(records) else ""


def charts(records: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The charts for the lines of `evaluations.jsonl`, in the order in which things were first measured."""
    points: dict[str, dict[str, list[Point]]] = {}
    about: dict[str, tuple[str, str]] = {}
    for record in records:
        for measured in record.get("measurements", ()):
            value = measured["value"]
            if value is None:
                continue
            low, high = (value if measured[end] is None else measured[end] for end in ("low", "high"))
            about[measured["name"]] = (measured["label"], measured["better"])
            domains = points.setdefault(measured["name"], {})
            domains.setdefault(measured["direction"][-1], []).append(Point(record["step"], value, low, high))
    return [
        Chart(*about[name], {domain: tuple(found) for domain, found in domains.items()})
        for name, domains in points.items()
    ]


def _figure(chart: Chart, best: Best | None, names: tuple[str, str]) -> str:
    legend = "".join(
        f'<span><i style="background: var(--c{COLOURS[domain]})"></i>to {escape(names[COLOURS[domain]])} '
        f"<b>{points[-1].value:.4g}</b></span>"
        for domain, points in chart.points.items()
    )
    return (
        f'<figure class="measured"><h3>{escape(chart.label)}</h3><p class="note">{BETTER[chart.better]}</p>'
        f'<div class="legend">{legend}</div><div class="plot">{_svg(chart, best)}</div></figure>'
    )


def _svg(chart: Chart, best: Best | None) -> str:
    everything = [point for points in chart.points.values() for point in points]
    low, high = min(p.low for p in everything), max(p.high for p in everything)
    last = max(p.step for p in everything)
    room = (high - low) * 0.06 or abs(high) or 1.0
    low, high = low - room, high + room

    def x(step: float) -> float:
        return LEFT_PX + step / last * (WIDTH_PX - LEFT_PX - RIGHT_PX)

    def y(value: float) -> float:
        return TOP_PX + (high - value) / (high - low) * (HEIGHT_PX - TOP_PX - BOTTOM_PX)

    parts = []
    for value in _ticks(low, high):
        at = f"{y(value):.1f}"
        parts += [
            f'<line class="gridline" x1="{LEFT_PX}" x2="{WIDTH_PX - RIGHT_PX}" y1="{at}" y2="{at}"/>',
            f'<text x="{LEFT_PX - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>',
        ]
    parts += [
        f'<text x="{x(step):.1f}" y="{HEIGHT_PX - 5}" text-anchor="middle">{step:,.0f}</text>'
        for step in _ticks(0, last)
    ]
    if best is not None and best.step <= last:
        at = f"{x(best.step):.1f}"
        parts.append(f'<line class="level" x1="{at}" x2="{at}" y1="{TOP_PX}" y2="{HEIGHT_PX - BOTTOM_PX}"/>')
    parts += [_line(points, f"var(--c{COLOURS[domain]})", x, y) for domain, points in chart.points.items()]
    view, drawn = f"0 0 {WIDTH_PX} {HEIGHT_PX}", "".join(parts)
    return f'<svg viewBox="{view}" role="img" aria-label="{escape(chart.label)}">{drawn}</svg>'


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, about `NUM_TICKS` of them."""
    rough = (high - low) / NUM_TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    return [float(f"{number * step:.6g}") for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _line(points: Sequence[Point], colour: str, x: Scale, y: Scale) -> str:
    path = "L".join(f"{x(p.step):.1f} {y(p.value):.1f}" for p in points)
    marks = "".join(
        f'<line x1="{x(p.step):.1f}" x2="{x(p.step):.1f}" y1="{y(p.low):.1f}" y2="{y(p.high):.1f}" opacity=".6"/>'
        f'<circle cx="{x(p.step):.1f}" cy="{y(p.value):.1f}" r="2.6" fill="{colour}">'
        f"<title>step {p.step:,}: {p.value:.4g} [{p.low:.4g}, {p.high:.4g}]</title></circle>"
        for p in points
    )
    return f'<g style="stroke: {colour}"><path d="M{path}"/>{marks}</g>'
