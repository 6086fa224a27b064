"""The parts of an evaluation's page as HTML. Every text from a file, a folder or a name is escaped here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import quote

from unpaired.evaluation.comparison import standing
from unpaired.evaluation.page_plots import interval_plot
from unpaired.evaluation.report import CandidateResult, Evaluation, GridFile, rows_of
from unpaired.evaluation.wording import (
    GROUP_ORDER,
    interval,
    recipe_text,
    sentences,
    shown,
    title_of,
    warnings_of,
)
from unpaired.metrics.measurement import Measurement

Row = tuple[Measurement, list[Measurement | None]]

GROUPS = {
    "quality": ("Quality", "Are the translations, as a set, like real pictures? Read first; 0 is the best distance."),
    "diversity": (
        "Diversity",
        "How different the translations of one input are. Noise is diverse: read it with quality.",
    ),
    "modes": ("Modes", "How many kinds of pictures there are among the translations."),
    "pairs": (
        "Distance to the truth",
        "How far from what the input should become. Many answers are right: best of several.",
    ),
    "edges": ("Edges", "Whether the translation keeps to the edges of its input."),
    "identity": ("Identity", "Whether the person can still be recognised, by a network that the training did not use."),
    "round trips": ("Round trips", "Whether codes hold what they should: there and back again."),
    "style codes": (
        "Style codes",
        "Whether encoded styles are spread like the random ones that translations are drawn from.",
    ),
}


def title(evaluation: Evaluation) -> str:
    """The heading: which models."""
    names = [result.name for result in evaluation.candidates]
    return escape(f"Evaluation of {', '.join(names)}" if len(names) < 4 else f"Comparison of {len(names)} models")


def what(evaluation: Evaluation) -> str:
    """One line about the data and the size."""
    height, width = evaluation.size
    settings = evaluation.settings
    parts = [f"on {evaluation.data}", f"{width} × {height} px", f"seed {settings.seed}"]
    return " · ".join(map(escape, parts))


def facts(evaluation: Evaluation) -> str:
    """A list with what each candidate is."""
    return "".join(f"<div><dt>{escape(r.name)}</dt><dd>{escape(_about(r))}</dd></div>" for r in evaluation.candidates)


def notes(evaluation: Evaluation) -> str:
    """A box with what the reader has to know, or nothing."""
    if not evaluation.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes)
    return f'<div class="notes"><ul>{items}</ul></div>'


def table(evaluation: Evaluation) -> str:
    """All measurements, in groups: a row for each, a column for each candidate."""
    rows = list(rows_of(evaluation))
    groups = [_group(evaluation, name, [row for row in rows if row[0].group == name]) for name in GROUP_ORDER]
    if not any(groups):
        return '<p class="note">Nothing was measured.</p>'
    columns = "".join(f'<th class="{r.kind}">{escape(r.name)}</th>' for r in evaluation.results)
    head = f"<tr><th></th><th></th>{columns}<th></th></tr>"
    return f'<div class="table"><table><thead>{head}</thead>{"".join(groups)}</table></div>'


def differences(evaluation: Evaluation) -> str:
    """All differences in words, folded away; nothing for one candidate."""
    items = "".join(f"<li>{escape(text)}</li>" for text in sentences(evaluation))
    if not items:
        return ""
    return f"<details><summary>All differences, and which are larger than chance</summary><ul>{items}</ul></details>"


def grids(evaluation: Evaluation) -> str:
    """Side by side first, then each candidate's grids, then real pictures."""
    shared = [grid for grid in evaluation.grids if "side-by-side" in grid.path]
    parts = [_section("Side by side", shared)] if shared else []
    parts += [_section(result.name, result.grids) for result in evaluation.candidates if result.grids]
    real = [grid for grid in evaluation.grids if grid not in shared]
    return "".join([*parts, _section("Real pictures", real) if real else ""])


def recipes(evaluation: Evaluation) -> str:
    """How each number was made, folded away."""
    items = "".join(
        f"<tr><td>{escape(first.label)}</td><td>{escape(first.direction)}</td><td>{escape(recipe_text(first))}</td></tr>"
        for first, _ in rows_of(evaluation)
    )
    head = "<tr><th>Measurement</th><th>Direction</th><th>What has to be the same to compare it</th></tr>"
    return (
        "<details><summary>How each number was made</summary>"
        f'<div class="table"><table class="recipes"><thead>{head}</thead><tbody>{items}</tbody></table></div></details>'
    )


def _about(result: CandidateResult) -> str:
    facts_ = result.facts
    styles = ", ".join(f"{num} × {arrow}" for arrow, num in result.num_styles.items())
    if result.kind == "pictures":
        return f"folder of translations, {styles}"
    step = "" if facts_.get("step") is None else f", step {facts_['step']:,}"
    return f"{facts_.get('model')}{step}, {facts_.get('weights')} weights, {styles}"


def _group(evaluation: Evaluation, name: str, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    heading, text = GROUPS[name]
    width = len(evaluation.results) + 3
    title_row = f'<th colspan="{width}"><span>{escape(heading)}</span> <small>{escape(text)}</small></th>'
    body = "".join(_row(evaluation, first, cells) for first, cells in rows)
    warned = "".join(f"<p>{escape(text)}</p>" for text in _warnings(rows))
    warning_row = f'<tr><td class="warning" colspan="{width}">{warned}</td></tr>' if warned else ""
    return f'<tbody><tr class="group">{title_row}</tr>{body}{warning_row}</tbody>'


def _warnings(rows: Sequence[Row]) -> Iterator[str]:
    """The warnings of a group, each with what it is about."""
    found: dict[str, list[str]] = {}
    for first, cells in rows:
        for text in warnings_of(cells):
            found.setdefault(text, []).append(f"{first.label}, {first.direction}")
    for text, about in found.items():
        more = f" and {len(about) - 1} more" if len(about) > 1 else ""
        yield f"{about[0]}{more}: {text}"


def _row(evaluation: Evaluation, first: Measurement, cells: Sequence[Measurement | None]) -> str:
    marks = _marks(evaluation, cells)
    kinds = [result.kind for result in evaluation.results]
    shown_cells = "".join(_cell(m, mark, kind) for m, mark, kind in zip(cells, marks, kinds, strict=True))
    plot = interval_plot(cells, kinds, [result.name for result in evaluation.results])
    return (
        f"<tr><td>{escape(title_of(first))}</td><td>{escape(first.direction)}</td>{shown_cells}"
        f'<td class="plot">{plot}</td></tr>'
    )


def _marks(evaluation: Evaluation, cells: Sequence[Measurement | None]) -> list[str]:
    """Which candidates are best; baselines take no part."""
    taking_part = [(r.name, m) for r, m in zip(evaluation.results, cells, strict=True) if r.kind != "baseline"]
    names, measured = [name for name, _ in taking_part], [m for _, m in taking_part]
    found = iter(standing(measured, names, evaluation.differences))
    return ["" if result.kind == "baseline" else next(found) for result in evaluation.results]


def _cell(measured: Measurement | None, mark: str, kind: str) -> str:
    if measured is None:
        return f'<td class="{kind}">–</td>'
    badge = f' <b class="mark">{escape(mark)}</b>' if mark else ""
    alert = ' <span class="alert" title="see the warning below">!</span>' if measured.warnings else ""
    lines = f"{shown(measured.value)}{alert}{badge}"
    return f'<td class="{kind}">{lines}<small>{escape(interval(measured))}</small></td>'


def _section(heading: str, files: Sequence[GridFile]) -> str:
    return f'<h3>{escape(heading)}</h3><div class="tiles">{"".join(map(_grid, files))}</div>'


def _grid(file: GridFile) -> str:
    source, (width, height) = escape(quote(file.path)), file.size
    return (
        f'<figure><h4>{escape(file.title)}</h4><p class="note">{escape(file.caption)}</p><a href="{source}">'
        f'<img src="{source}" width="{width}" height="{height}" alt="{escape(file.title)}" loading="lazy"></a></figure>'
    )
