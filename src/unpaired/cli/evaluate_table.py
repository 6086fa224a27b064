"""The tables of an evaluation on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from unpaired.evaluation.report import Evaluation
    from unpaired.metrics.measurement import Measurement


WIDTH_OF_FILES = 200


def print_tables(evaluation: Evaluation) -> None:
    """Print all numbers, then the differences between candidates, then notes and warnings."""
    from rich.console import Console

    from unpaired.evaluation.report import rows_of
    from unpaired.evaluation.wording import sentences, warnings_of
    from unpaired.training.logs import say

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_FILES)
    console.print(table_of(evaluation))
    if len(evaluation.candidates) > 1:
        say("* is the best, = may be as good: the difference is not larger than chance")
    if len(evaluation.candidates) == 2:
        for text in sentences(evaluation):
            say(text)
    for note in evaluation.notes:
        say(f"note: {note}")
    rows = list(rows_of(evaluation))
    texts = {text: first for first, cells in reversed(rows) for text in warnings_of(cells)}
    for text, first in texts.items():
        say(f"warning: {first.label}, {first.direction}: {text}")


def table_of(evaluation: Evaluation) -> Table:
    """All measurements: a row each, a column for each candidate, sections for the groups."""
    from rich.table import Table

    from unpaired.evaluation.comparison import standing
    from unpaired.evaluation.report import rows_of
    from unpaired.evaluation.wording import GROUP_ORDER, title_of

    table = Table(title=None, box=None, pad_edge=False, show_edge=False)
    table.add_column("", overflow="fold")
    table.add_column("")
    for result in evaluation.results:
        table.add_column(
            result.name, justify="right", style="dim" if result.kind == "baseline" else "", overflow="fold"
        )
    rows = sorted(rows_of(evaluation), key=lambda row: GROUP_ORDER.index(row[0].group))
    models = [index for index, result in enumerate(evaluation.results) if result.kind != "baseline"]
    names = [evaluation.results[index].name for index in models]
    for first, cells in rows:
        marks = dict(zip(models, standing([cells[i] for i in models], names, evaluation.differences), strict=True))
        table.add_row(title_of(first), first.direction, *(_cell(m, marks.get(i, "")) for i, m in enumerate(cells)))
    return table


def _cell(measured: Measurement | None, mark: str) -> str:
    from unpaired.evaluation.wording import interval, shown

    if measured is None:
        return "–"
    sign = {"best": " *", "as good": " ="}.get(mark, "")
    found = interval(measured).replace("[", r"\[")
    return f"{shown(measured.value)}{sign}\n{found}".strip()
