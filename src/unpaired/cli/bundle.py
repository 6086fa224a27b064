"""`unpaired bundle`: the trained networks of a run as one small folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def bundle(
    run: Annotated[Path, Parameter(help="A run folder or a checkpoint file.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to make.")],
    raw: Annotated[
        bool, Parameter(help="Take the last weights, not their moving average.", negative="", show_default=False)
    ] = False,
    half: Annotated[
        bool, Parameter(help="Write weights of 16 bits: half the size.", negative="", show_default=False)
    ] = False,
) -> None:
    """Write what translation needs of RUN (a run folder or a checkpoint file), with a model card, to a new folder."""
    from unpaired.errors import UserError, raise_if_any
    from unpaired.inference.bundle import CARD_NAME, bundle_folder_problem, open_model, write_bundle
    from unpaired.training.commands import quoted
    from unpaired.training.logs import say

    problems = bundle_folder_problem(out)
    try:
        model = open_model(run, raw=raw)
    except UserError as error:
        problems += error.problems
    raise_if_any(problems)
    write_bundle(model.halved() if half else model, out)
    config = model.config
    num_bytes = sum(path.stat().st_size for path in out.iterdir())
    say(f"Wrote {out}: {config.model.name}, {config.weights} weights of {config.source}, {num_bytes / 2**20:.1f} MiB")
    say(f"Its model card is {out / CARD_NAME}: say there what the pictures are and who may use it.")
    say(f"To use it: unpaired translate {quoted(out)} PICTURE --to b")
