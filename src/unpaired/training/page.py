"""The page of a run: one `index.html` in its folder that opens from the disk, without a server or a network.

It is written again and again during the run, and costs the same after a million steps as after a thousand. Everything
in it comes from the run folder's files; pictures are referenced by relative path, so that the folder can be sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from unpaired.domain_names import domain_names
from unpaired.models import MODELS
from unpaired.models.guide import Guide
from unpaired.tensorfile import replace_file
from unpaired.training import page_evaluations, page_html
from unpaired.training.extra_guide import with_extra_losses
from unpaired.training.page_curves import Chart, alarms, charts
from unpaired.training.page_state import GridHistory, RunState, read_run

PAGE_FILE = "index.html"
REFRESH_SECONDS = 30
SILENT_SECONDS = 300.0  # after which a page that was not written again says that its run has probably stopped …
SILENT_STEPS = 10  # … if as many steps could have been made


def write_page(run_folder: Path) -> None:
    """Write `index.html` into `run_folder` from its config, metrics, log and sample grids.

    Raises `UserError` when the config cannot be read or the page cannot be written.
    """
    text = render(read_run(run_folder), written=time.time()).encode()
    replace_file(run_folder / PAGE_FILE, lambda temporary: _write(temporary, text), len(text))


def render(state: RunState, written: float) -> str:
    """The page of the run in `state` as HTML; `written` is the time to show, in seconds since 1970."""
    names = domain_names(state.config.data)
    models_guide = MODELS[state.config.model.name].guide(state.config.model, names)
    guide = with_extra_losses(models_guide, state.config.losses)
    grids = in_guides_order(state.grids, guide)
    shown = charts(state.curves, guide, names)
    return Template(_asset("page.html")).substitute(
        **page_html.header(state, names, written),
        no_script_refresh=page_html.no_script_refresh(state, REFRESH_SECONDS),
        style=_asset("page.css"),
        alarms=page_html.alarms(alarms(state, guide, names)),
        expect=page_html.expectations(guide),
        grids=page_html.grids(grids, guide),
        evaluations_link=page_evaluations.link(state.evaluations),
        evaluations=page_evaluations.section(state.evaluations, state.best, names),
        charts=page_html.charts(shown),
        values=page_html.values(shown, state.curves),
        commands=page_html.commands(state, names),
        more=page_html.more(state),
        data=_json(page_data(state, grids, shown, written)),
        script=_asset("page.js"),
    )


def page_data(state: RunState, grids: Sequence[GridHistory], shown: Sequence[Chart], written: float) -> dict[str, Any]:
    """What the page's script needs."""
    return {
        "written": written,
        "finished": state.finished,
        "refresh_seconds": REFRESH_SECONDS,
        "silent_seconds": silence(state),
        "grids": [{"name": g.name, "files": page_html.url(f"samples/{g.name}-"), "steps": g.steps} for g in grids],
        "steps": state.curves.steps,
        "curves": {name: [_rounded(value) for value in values] for name, values in state.curves.values.items()},
        "charts": [
            {
                "title": chart.title,
                "lines": [{"name": line.name, "label": line.label, "colour": line.colour} for line in chart.lines],
                "levels": [{"value": level.value, "text": level.text} for level in chart.levels],
            }
            for chart in shown
        ],
    }


def silence(state: RunState) -> float:
    """Seconds after which a page that was not written again belongs to a run that has probably stopped."""
    speed = state.pace.steps_per_second
    return max(SILENT_SECONDS, SILENT_STEPS / speed if speed else 0.0)


def in_guides_order(grids: Sequence[GridHistory], guide: Guide) -> list[GridHistory]:
    """`grids` in the order of the guide, those that it does not name last."""
    order = {name: place for place, name in enumerate(guide.grids)}
    return sorted(grids, key=lambda grid: (order.get(grid.name, len(order)), grid.name))


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def _json(data: Any) -> str:
    """`data` as JSON that can stand inside a script element whatever texts it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return (files("unpaired.training") / "page_assets" / name).read_text(encoding="utf-8")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
