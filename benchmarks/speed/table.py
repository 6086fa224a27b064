"""The results as a table for people, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.speed.records import Record, Spread

HEADER = (
    "| task | batch | ours in | reference s | ours s | times as fast | reference MiB | ours MiB | share | GMAC needed "
    "| of the peak | rounds | code |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def table(records: Sequence[Record], machine: Mapping[str, Any]) -> str:
    """All `records`, a row each, below a line on the machine."""
    rows = "\n".join(_row(record) for record in records)
    return f"{_conditions(machine)}\n\n{HEADER}\n{rows}\n"


def line(record: Record) -> str:
    """One record in words, for the terminal."""
    parts = [f"{record.task} {record.precision or ''}".strip() + f": {_number(record.ours_s)} s"]
    if record.reference_s is not None and record.ratio is not None:
        parts.append(f"reference {_number(record.reference_s)} s, {spread(record.ratio)} times as fast")
    if record.memory_share is not None:
        parts.append(f"{record.ours_peak_mib:,.0f} of {record.reference_peak_mib:,.0f} MiB ({record.memory_share:.0%})")
    if record.share_of_peak is not None:
        parts.append(f"{record.needed_gmac:.4g} GMAC needed, {record.share_of_peak:.0%} of the peak")
    return "; ".join(parts)


def spread(ratio: Spread) -> str:
    """A median with its smallest and largest."""
    return f"{ratio.median:.2f} [{ratio.min:.2f}, {ratio.max:.2f}]"


def _conditions(machine: Mapping[str, Any]) -> str:
    device = machine["gpu"] or f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB"
    speeds = ", ".join(f"{speed:,.0f} GFLOP/s in {name}" for name, speed in machine["product_gflops"].items())
    references = [f"{name} {machine['commits'][name]}" for name in ("munit", "ugatit") if machine["commits"][name]]
    return (
        f"{device}; torch {machine['torch']}, {machine['threads']} threads; matrix product {speeds or 'not measured'}; "
        f"{', '.join([*references, machine['date']])}."
    )


def _row(record: Record) -> str:
    cells = [
        record.task,
        str(record.batch or ""),
        record.precision or "",
        _number(record.reference_s),
        _number(record.ours_s),
        "" if record.ratio is None else spread(record.ratio),
        _whole(record.reference_peak_mib),
        _whole(record.ours_peak_mib),
        _percent(record.memory_share),
        _number(record.needed_gmac),
        _percent(record.share_of_peak),
        str(record.rounds or ""),
        record.commit or "",
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
