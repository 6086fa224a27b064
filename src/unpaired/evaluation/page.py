"""The page of an evaluation: one `index.html` beside its `metrics.json` that opens from the disk."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template

from unpaired.evaluation import page_html, page_styles
from unpaired.evaluation.report import JSON_FILE, Evaluation, write_json
from unpaired.tensorfile import replace_file

PAGE_FILE = "index.html"


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write `metrics.json` and `index.html` into `folder`, where the grids lie already. Raises `UserError`."""
    write_json(evaluation, folder)
    text = render(evaluation).encode()
    replace_file(folder / PAGE_FILE, lambda temporary: _write(temporary, text), len(text))


def render(evaluation: Evaluation) -> str:
    """The page of `evaluation` as HTML. It has no script and asks for nothing from outside of its folder."""
    return Template(_asset("page.html")).substitute(
        style=_asset("page.css"),
        title=page_html.title(evaluation),
        what=page_html.what(evaluation),
        facts=page_html.facts(evaluation),
        notes=page_html.notes(evaluation),
        table=page_html.table(evaluation),
        differences=page_html.differences(evaluation),
        styles=page_styles.style_plots(evaluation),
        grids=page_html.grids(evaluation),
        recipes=page_html.recipes(evaluation),
        json_file=JSON_FILE,
    )


def _asset(name: str) -> str:
    return (files("unpaired.evaluation") / "page_assets" / name).read_text(encoding="utf-8")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
