"""The ratios as a drawing: how many times as fast as the reference, with the spread over the rounds. SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.speed.records import Record, Spread

WIDTH_PX, LABEL_PX, VALUE_PX, ROW_PX, TOP_PX = 830, 280, 60, 22, 30
COLOURS = {"fp32": "#4878a8", "bf16": "#d08030"}
TEXT = 'font-family="sans-serif" font-size="12" fill="#333"'


def plot(records: Sequence[Record]) -> str:
    """One bar for each of `records` that was measured beside a reference code; the line at 1 is that code."""
    drawn = [(r, r.ratio) for r in records if r.ratio is not None and r.precision is not None]
    largest = max((ratio.max for _, ratio in drawn), default=1.0)
    px = (WIDTH_PX - LABEL_PX - VALUE_PX) / max(largest, 1.0)
    height = TOP_PX + ROW_PX * len(drawn) + 10
    title = f'<text x="{LABEL_PX}" y="18" {TEXT}>times as fast as the reference (fp32); lines: rounds</text>'
    bars = [_bar(record, ratio, TOP_PX + ROW_PX * row, px) for row, (record, ratio) in enumerate(drawn)]
    one = f'<line x1="{LABEL_PX + px:.1f}" x2="{LABEL_PX + px:.1f}" y1="{TOP_PX - 4}" y2="{height - 6}" stroke="#333"/>'
    size = f'viewBox="0 0 {WIDTH_PX} {height}" width="{WIDTH_PX}" height="{height}"'
    ground = f'<rect width="{WIDTH_PX}" height="{height}" fill="white"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', ground, title, *bars, one, "</svg>"]) + "\n"


def _bar(record: Record, ratio: Spread, top: float, px: float) -> str:
    middle = top + ROW_PX / 2
    low, high = (LABEL_PX + px * value for value in (ratio.min, ratio.max))
    label = escape(f"{record.task} {record.precision}")
    colour = f'fill="{COLOURS[str(record.precision)]}"'
    return (
        f'<text x="{LABEL_PX - 8}" y="{middle + 4:.1f}" text-anchor="end" {TEXT}>{label}</text>'
        f'<rect x="{LABEL_PX}" y="{top + 4:.1f}" width="{px * ratio.median:.1f}" height="{ROW_PX - 8}" {colour}/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" stroke="#111" stroke-width="2"/>'
        f'<text x="{high + 6:.1f}" y="{middle + 4:.1f}" {TEXT}>{ratio.median:.2f}</text>'
    )
