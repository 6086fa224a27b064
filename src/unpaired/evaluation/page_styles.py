"""The style codes of real pictures against the random styles that a model was trained with, as drawings for its page.

One drawing a model and domain: above mean ± standard deviation of every dimension over the grey band of N(0, 1), below
the KL to N(0, 1). All drawings of a page have the same scales, so that they can be compared by eye.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from unpaired.evaluation.report import CandidateResult, Evaluation
from unpaired.evaluation.wording import shown

LEFT_PX, RIGHT_PX, TOP_PX, GAP_PX, BOTTOM_PX = 46, 10, 10, 28, 20
SPREAD_PX, KL_PX = 130, 60
FLOOR_PX = TOP_PX + SPREAD_PX + GAP_PX + KL_PX
MAX_WIDTH_PX, MAX_STEP_PX, LABEL_PX = 560, 44, 16
LEAST_SPREAD, LEAST_KL = 2.0, 0.5
"""Scales end there or further out: what fits the prior well should look as if it did."""


@dataclass(frozen=True)
class Codes:
    """How the styles of one domain, encoded by one model, are spread: a value for each dimension."""

    model: str
    domain: str
    means: tuple[float, ...]
    stds: tuple[float, ...]
    kls: tuple[float, ...]


@dataclass(frozen=True)
class Scales:
    """The largest distance from 0 and the largest KL that the drawings of a page can show."""

    spread: float
    kl: float


def style_plots(evaluation: Evaluation) -> str:
    """A section with a drawing for each model and domain whose styles were measured; nothing when none were."""
    found = [codes for result in evaluation.candidates for codes in _codes_of(result)]
    if not found:
        return ""
    scales = _scales(found)
    return (
        '<section id="styles"><h2>Encoded styles</h2><p class="note">Each dimension of the style codes of real '
        "pictures: mean ± standard deviation, and below its KL to N(0, 1) in nats. Random styles have mean 0 and "
        "standard deviation 1 (grey band) and a KL of almost 0. A short line is a dimension that hardly tells styles "
        "apart; a line outside of the band gives the decoder codes that it was not trained with.</p>"
        f'<div class="tiles">{"".join(_figure(codes, scales) for codes in found)}</div></section>'
    )


def _codes_of(result: CandidateResult) -> list[Codes]:
    measured = {(m.name, m.direction): m.per_dimension for m in result.measurements}
    return [
        Codes(result.name, domain, means, measured["style_std", domain], measured["style_kl", domain])
        for (name, domain), means in measured.items()
        if name == "style_mean"
    ]


def _scales(found: list[Codes]) -> Scales:
    spread = max(abs(mean) + std for codes in found for mean, std in zip(codes.means, codes.stds, strict=True))
    kl = max(max(codes.kls) for codes in found)
    return Scales(max(LEAST_SPREAD, spread), max(LEAST_KL, kl))


def _figure(codes: Codes, scales: Scales) -> str:
    title = f"{escape(codes.model)}, domain {escape(codes.domain)}"
    return f"<figure><h4>{title}</h4>{style_plot(codes, scales)}</figure>"


def style_plot(codes: Codes, scales: Scales) -> str:
    """The drawing of `codes` as SVG."""
    step = min(MAX_STEP_PX, (MAX_WIDTH_PX - LEFT_PX - RIGHT_PX) / len(codes.means))
    end = LEFT_PX + step * len(codes.means)
    labels_every = math.ceil(LABEL_PX / step)
    parts = [_background(end, scales)]
    for index, values in enumerate(zip(codes.means, codes.stds, codes.kls, strict=True)):
        x = LEFT_PX + step * (index + 0.5)
        parts.append(_dimension(index, values, x, step / 2, scales))
        if index % labels_every == 0:
            parts.append(f'<text x="{x:.1f}" y="{FLOOR_PX + BOTTOM_PX - 6}" text-anchor="middle">{index}</text>')
    width, height = round(end + RIGHT_PX), FLOOR_PX + BOTTOM_PX
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg class="styles" {size}>{"".join(parts)}</svg>'


def _background(end: float, scales: Scales) -> str:
    """The band of the prior, and the lines that give both scales."""
    top, bottom, width = _y(1, scales), _y(-1, scales), end - LEFT_PX
    spread, kl = scales.spread, scales.kl
    return "".join(
        [
            f'<rect class="prior" x="{LEFT_PX}" width="{width:.1f}" y="{top:.1f}" height="{bottom - top:.1f}"/>',
            *(_rule(end, _y(value, scales), f"{value:.1f}") for value in (spread, 0, -spread)),
            _rule(end, FLOOR_PX - KL_PX, f"{kl:.1f}"),
            _rule(end, FLOOR_PX, "KL 0"),
        ]
    )


def _dimension(index: int, values: tuple[float, float, float], x: float, width: float, scales: Scales) -> str:
    """Mean, standard deviation and KL of one dimension at `x`, with their numbers where the mouse rests."""
    mean, std, kl = values
    height = kl / scales.kl * KL_PX
    ends = f'y1="{_y(mean + std, scales):.1f}" y2="{_y(mean - std, scales):.1f}"'
    place = f'x="{x - width / 2:.1f}" y="{FLOOR_PX - height:.1f}"'
    return (
        f"<g><title>dimension {index}: mean {shown(mean)}, standard deviation {shown(std)}, KL {shown(kl)}</title>"
        f'<line class="c0" x1="{x:.1f}" x2="{x:.1f}" {ends}/>'
        f'<circle class="c0" cx="{x:.1f}" cy="{_y(mean, scales):.1f}" r="4"/>'
        f'<rect class="c0" {place} width="{width:.1f}" height="{height:.1f}"/></g>'
    )


def _rule(end: float, y: float, label: str) -> str:
    """A thin line across, with its value on the left."""
    return (
        f'<line class="rule" x1="{LEFT_PX}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT_PX - 5}" y="{y + 3:.1f}" text-anchor="end">{label}</text>'
    )


def _y(value: float, scales: Scales) -> float:
    """Where `value` of a code lies in the upper part."""
    return TOP_PX + SPREAD_PX / 2 * (1 - value / scales.spread)
