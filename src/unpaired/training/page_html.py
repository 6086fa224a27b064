"""The parts of a run's page as HTML. Every text from a file, a folder or the config is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import PurePath
from urllib.parse import quote

from unpaired.config import to_yaml
from unpaired.models.guide import GridGuide, Guide
from unpaired.training.commands import resume_command, translate_command
from unpaired.training.page_curves import Chart
from unpaired.training.page_state import Curves, GridHistory, RunState
from unpaired.training.progress import duration


def header(state: RunState, names: tuple[str, str], written: float) -> dict[str, str]:
    """The fields of the page's head: title, what is trained, progress and facts."""
    config = state.config
    height, width = config.data.size
    what = [
        f"{names[0]} (a) ⇄ {names[1]} (b)",
        config.model.name,
        f"{width} × {height} px",
        f"batch {config.batch_size}",
        f"seed {config.seed}",
    ]
    return {
        "title": escape(state.folder.resolve().name),
        "what": " · ".join(map(escape, what)),
        "steps": str(config.steps),
        "step": str(min(state.step, config.steps)),
        "percent": f"{min(100.0, 100 * state.step / config.steps):.2f}",
        "facts": "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts(state)),
        "written": f"Written {datetime.fromtimestamp(written):%Y-%m-%d %H:%M:%S}.",
    }


def facts(state: RunState) -> list[tuple[str, str]]:
    """Names and values of what a person wants to know first."""
    found = [("Step", f"{state.step:,} of {state.config.steps:,}"), ("Trained for", duration(state.pace.seconds))]
    if state.finished:
        found.append(("Time left", "none, complete"))
    elif state.seconds_left is not None:
        found.append(("Time left", f"about {duration(state.seconds_left)}"))
    numbers = (("pictures_per_second", "Speed", "{:.3g} pictures/s"), ("memory_mib", "Memory", "{:,.0f} MiB"))
    for name, label, form in numbers:
        if state.last.get(name) is not None:
            found.append((label, form.format(state.last[name])))
    return found


def no_script_refresh(state: RunState, seconds: int) -> str:
    """What makes the page load itself again without JavaScript, while the run goes on."""
    if state.finished:
        return ""
    return f'<noscript><meta http-equiv="refresh" content="{seconds}"></noscript>'


def alarms(texts: Sequence[str]) -> str:
    """A box with what looks wrong, or nothing."""
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<div class="alarms"><strong>Worth a look</strong><ul>{items}</ul></div>'


def expectations(guide: Guide) -> str:
    """What to expect of a run, folded away."""
    if not guide.expect:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in guide.expect)
    return f'<details class="expect"><summary>Is it working? What to expect</summary><ul>{items}</ul></details>'


def grids(histories: Sequence[GridHistory], guide: Guide) -> str:
    """The newest grids, with sliders that the script brings to life."""
    if not histories:
        return '<p class="note">No grid is drawn yet.</p>'
    controls = (
        '<div class="controls js" hidden><button id="play">Play from the start</button>'
        '<label><input type="checkbox" id="together" checked> move all together</label></div>'
    )
    note = '<p class="note">The same inputs and styles at every step. Click a grid for its full size.</p>'
    return f'{note}{controls}<div class="tiles">{"".join(_grid(h, guide) for h in histories)}</div>'


def charts(shown: Sequence[Chart]) -> str:
    """Empty charts with their explanations, to be drawn by the script, and the controls."""
    if not shown:
        return '<p class="note">No numbers are written yet.</p>'
    controls = (
        '<div class="controls js" hidden>'
        '<label>smoothing <input type="range" id="smooth" min="0" max="0.98" step="0.02" value="0.8"></label>'
        '<label><input type="checkbox" id="log"> logarithmic</label></div>'
        '<noscript><p class="note">The curves need JavaScript; their last values are in the table below.</p></noscript>'
    )
    return f'{controls}<div class="tiles charts">{"".join(map(_chart, shown))}</div>'


def values(shown: Sequence[Chart], curves: Curves) -> str:
    """A table with the first and the recent value of every curve."""
    rows = []
    for chart in shown:
        for line in chart.lines:
            label = chart.title if len(chart.lines) == 1 else f"{chart.title}: {line.label}"
            cells = "".join(f"<td>{_number(v)}</td>" for v in (curves.first(line.name), curves.recent(line.name)))
            rows.append(f"<tr><td>{escape(label)}</td>{cells}</tr>")
    if not rows:
        return '<p class="note">No numbers are written yet.</p>'
    head = "<tr><th>Term</th><th>at first</th><th>mean of the last tenth</th></tr>"
    return f'<div class="table"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def commands(state: RunState, names: tuple[str, str]) -> str:
    """The commands to resume the run and to use what it has learned."""
    folder = state.folder.resolve()
    found = [(f"Translate pictures of {names[0]} to {names[1]}:", translate_command(folder))]
    if not state.finished:
        found.insert(0, ("Continue this run after it was stopped:", resume_command(folder)))
    return "".join(
        f"<p class='note'>{escape(text)}</p><div class='command'><pre>{escape(command)}</pre>"
        "<button class='js' hidden>Copy</button></div>"
        for text, command in found
    )


def more(state: RunState) -> str:
    """The whole config and the end of the log, folded away."""
    found = [("Settings (config.yaml)", to_yaml(state.config)), ("End of log.txt", state.log_tail)]
    return "".join(
        f"<details><summary>{title}</summary><pre>{escape(text)}</pre></details>" for title, text in found if text
    )


def url(path: str) -> str:
    """`path` inside the run folder as a relative URL."""
    return quote(PurePath(path).as_posix() if "\\" in path else path)


def _grid(history: GridHistory, guide: Guide) -> str:
    about = guide.grids.get(history.name, GridGuide(history.title, ""))
    newest = history.steps[-1]
    source = url(history.file(newest))
    return (
        f'<figure class="sample"><h3>{escape(about.title)}</h3><p class="note">{escape(about.caption)}</p>'
        f'<div class="stepper"><input class="js" hidden type="range" min="0" aria-label="step of the grid">'
        f"<output>step {newest:,}</output></div>"
        f'<a href="{escape(source)}"><img src="{escape(source)}" width="{history.width}" height="{history.height}" '
        f'alt="{escape(about.title)} at step {newest}"></a></figure>'
    )


def _chart(chart: Chart) -> str:
    return (
        f'<figure class="chart"><h3>{escape(chart.title)}</h3><p class="note">{escape(chart.normal)}</p>'
        '<div class="legend"></div><div class="plot"></div></figure>'
    )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
