"""`unpaired evaluate`: how good a model is, and which of several is better."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unpaired.cli.progress_bar import progress_text

if TYPE_CHECKING:
    from unpaired.evaluation.report import Evaluation

_SWITCH = Parameter(negative="", show_default=False)


def evaluate(
    *paths: Annotated[Path, Parameter(help="One or several models, then the data folder with testA and testB.")],
    to: Annotated[str | None, Parameter(help="Measure one direction: to a or to b. Both if not given.")] = None,
    metrics: Annotated[str | None, Parameter(help="Names with commas, as kid,diversity; or all.")] = None,
    styles: Annotated[str | None, Parameter(help="Random styles of each input (10).")] = None,
    inputs: Annotated[str | None, Parameter(help="At most that many inputs, evenly spaced.")] = None,
    seed: Annotated[str, Parameter(help="Seed of styles and intervals.")] = "0",
    size: Annotated[str | None, Parameter(help="Size to measure at, as 64 or 64x96; that of the model.")] = None,
    real: Annotated[str, Parameter(help="Real pictures to compare with: test or train.")] = "test",
    by_example: Annotated[bool, _SWITCH, Parameter(help="Styles of training pictures, not random ones.")] = False,
    features: Annotated[str | None, Parameter(help="Network for KID and FID; see docs/evaluation.md.")] = None,
    distance: Annotated[str | None, Parameter(help="Network for the distance of two pictures.")] = None,
    modes: Annotated[Path | None, Parameter(help="Folder of labelled sub-folders of the target domain.")] = None,
    pairs: Annotated[str, Parameter(help="Are equal names pairs? auto, yes or no.")] = "auto",
    edges: Annotated[str, Parameter(help="Which domain is edge maps? auto, a, b or no.")] = "auto",
    baselines: Annotated[bool, Parameter(help="Measure inputs and random real pictures too.")] = True,
    raw: Annotated[bool, _SWITCH, Parameter(help="Use the last weights, not their moving average.")] = False,
    batch: Annotated[str | None, Parameter(help="Pictures translated at once.")] = None,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
    out: Annotated[Path | None, Parameter(help="Folder for the report; evaluation/ in the run, or here.")] = None,
) -> None:
    """Measure how good models are on held-out pictures, and compare them.

    A model is a run folder, a checkpoint file, a bundle folder, or a folder of pictures that any program has
    translated, named after their inputs. Prints a table, writes metrics.json and index.html with the pictures.
    """
    from unpaired.cli.evaluate_call import Typed, prepared
    from unpaired.evaluation.evaluate import run
    from unpaired.evaluation.page import PAGE_FILE, write_report
    from unpaired.training.logs import say

    typed = Typed(
        paths=paths,
        to=to,
        metrics=metrics,
        styles=styles,
        inputs=inputs,
        seed=seed,
        size=size,
        real=real,
        by_example=by_example,
        features=features,
        distance=distance,
        modes=modes,
        pairs=pairs,
        edges=edges,
        baselines=baselines,
        raw=raw,
        batch=batch,
        device=device,
        out=out,
    )
    plan, folder = prepared(typed)
    with progress_text() as on_progress:
        evaluation = run(plan, on_progress, folder=folder)
    write_report(evaluation, folder)
    _print(evaluation)
    say(f"Look at {(folder / PAGE_FILE).resolve().as_uri()}")


def _print(evaluation: Evaluation) -> None:
    from unpaired.cli.evaluate_table import print_tables

    print_tables(evaluation)
