"""Small drawings for the page of an evaluation, as SVG: no script is needed to show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from unpaired.evaluation.wording import shown
from unpaired.metrics.measurement import Measurement

WIDTH_PX, ROW_PX, MARGIN_PX = 180, 9, 6


def interval_plot(cells: Sequence[Measurement | None], kinds: Sequence[str], names: Sequence[str]) -> str:
    """The numbers of one row as dots with their intervals, one below the other, on one axis. Baselines are grey."""
    drawn = [(m, k, n) for m, k, n in zip(cells, kinds, names, strict=True) if m is not None and math.isfinite(m.value)]
    if len(drawn) < 2:
        return ""
    ends = [end for m, _, _ in drawn for end in (m.value, m.low, m.high) if end is not None]
    low, high = min(ends), max(ends)
    if low == high:
        return ""

    def x(value: float) -> float:
        return MARGIN_PX + (value - low) / (high - low) * (WIDTH_PX - 2 * MARGIN_PX)

    lines = []
    for index, (measured, kind, name) in enumerate(drawn):
        y = ROW_PX * (index + 0.5)
        colour = "base" if kind == "baseline" else f"c{index % 4}"
        if measured.low is not None and measured.high is not None:
            ends_px = f'x1="{x(measured.low):.1f}" x2="{x(measured.high):.1f}"'
            lines.append(f'<line class="{colour}" {ends_px} y1="{y:.1f}" y2="{y:.1f}"/>')
        title = f"<title>{escape(name)}: {shown(measured.value)}</title>"
        lines.append(f'<circle class="{colour}" cx="{x(measured.value):.1f}" cy="{y:.1f}" r="3">{title}</circle>')
    height = ROW_PX * len(drawn)
    return f'<svg viewBox="0 0 {WIDTH_PX} {height}" width="{WIDTH_PX}" height="{height}">{"".join(lines)}</svg>'
