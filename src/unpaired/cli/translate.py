"""`unpaired translate`: find everything that is wrong, then translate pictures to files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unpaired.cli.progress_bar import progress_bar

_SWITCH = Parameter(negative="", show_default=False)
_MANY = Parameter(consume_multiple=True, negative="", show_default=False)


def translate(
    model: Annotated[Path, Parameter(help="A run folder, a checkpoint file, a bundle folder or demo.")],
    inputs: Annotated[tuple[Path, ...], _MANY, Parameter(help="Pictures, and folders of pictures.")] = (),
    /,
    *,
    to: Annotated[str, Parameter(help="Domain to translate to: a or b.")],
    styles: Annotated[str | None, Parameter(help="Random styles of each picture (1).")] = None,
    style: Annotated[tuple[Path, ...], _MANY, Parameter(help="Example pictures of the target domain.")] = (),
    style_code: Annotated[
        tuple[Path, ...], _MANY, Parameter(help="Files of --save-styles, or results of this command.")
    ] = (),
    save_styles: Annotated[Path | None, Parameter(help="JSON file to write the styles to, for --style-code.")] = None,
    seed: Annotated[str, Parameter(help="Seed of random styles.")] = "0",
    fresh_styles: Annotated[bool, _SWITCH, Parameter(help="Other random styles for every picture.")] = False,
    out: Annotated[Path, Parameter(help="Folder for the results.")] = Path("translations"),
    size: Annotated[
        str | None, Parameter(help="Shorter side to work at in pixels, or original; that of training if not given.")
    ] = None,
    original_size: Annotated[bool, _SWITCH, Parameter(help="Scale results to the size of their input.")] = False,
    attention: Annotated[bool, _SWITCH, Parameter(help="Save where the model looks too (U-GAT-IT).")] = False,
    batch: Annotated[str | None, Parameter(help="Pictures of one size translated at once.")] = None,
    raw: Annotated[bool, _SWITCH, Parameter(help="Use the last weights, not their moving average.")] = False,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, Parameter(help="auto, fp32 or bf16.")] = "auto",
    overwrite: Annotated[bool, _SWITCH, Parameter(help="Replace results that exist.")] = False,
) -> None:
    """Translate pictures with a trained model: MODEL is a run folder, a checkpoint file or a bundle folder.

    Results are PNG files named after input, domain, style and seed. Each holds what is needed to make it again.
    U-GAT-IT has one answer a picture: leave out all flags about styles.
    """
    from unpaired.cli.translate_plan import TranslateCall, prepare, translate_all

    call = TranslateCall(
        model=model,
        inputs=inputs,
        to=to,
        num_styles=styles,
        examples=style,
        code_files=style_code,
        save_styles=save_styles,
        seed=seed,
        fresh_styles=fresh_styles,
        out=out,
        size=size,
        original_size=original_size,
        attention=attention,
        batch=batch,
        raw=raw,
        device=device,
        precision=precision,
        overwrite=overwrite,
    )
    plan = prepare(call)
    with progress_bar("Translating") as on_progress:
        translate_all(plan, on_progress)
    from unpaired.training.logs import say

    for line in plan.summary():
        say(line)
