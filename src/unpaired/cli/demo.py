"""`unpaired demo`: a first run that ends with pictures, made by the same code as every other run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from unpaired.models.base import Grid
    from unpaired.training.job import Job

NUM_INPUTS = 8
NUM_STYLES = 5
GRID_NAME = "translations"
READY_MADE = "drawings_coloured.png"


def demo(
    *,
    steps: Annotated[str | None, Parameter(help="Steps to train; the default takes two to four minutes.")] = None,
    seed: Annotated[str | None, Parameter(help="Seed of everything that is random.")] = None,
    out: Annotated[Path, Parameter(help="Folder for the bundled pictures.")] = Path("demo_data"),
) -> int:
    """Show what the model that comes with the package does, then train a smaller one on bundled pictures.

    The ready one colours line drawings as emoji; the training is from one drawing style of emoji to another.
    """
    from unpaired import presets
    from unpaired.config import override
    from unpaired.demo import copy_drawings, unpack
    from unpaired.errors import raise_if_any
    from unpaired.training.commands import quoted
    from unpaired.training.job import TrainCall, flag_overrides, prepare, start
    from unpaired.training.logs import say
    from unpaired.training.processes import refuse_several

    refuse_several("unpaired demo: trains in one process", "Start it without torchrun or accelerate launch.")
    flags = flag_overrides({"steps": steps, "seed": seed})
    raise_if_any(override(presets.demo(), flags)[1])  # before anything is written
    drawings = copy_drawings(out)
    sheet = _colour(drawings, out / READY_MADE)
    say(f"A model that comes with unpaired, and line drawings it has never seen: {sheet.resolve().as_uri()}")
    say(f"Again, with your own: unpaired translate demo {quoted(drawings)} --to b --styles 5")
    data = unpack(out)
    job = prepare(TrainCall(folders=(data,), preset="demo", flags=flags))
    counts = f"{len(job.folders.a)} Noto and {len(job.folders.b)} Twemoji drawings"
    say(f"Training on {counts} of different emoji, in {data}.")
    say(f"Watch it in {_page(job.run_folder)}")
    result = start(job)
    if result.exit_code == 0:
        _show_translations(job, result.step)
        say("\n".join(_last_words(result.folder, data)))
    return result.exit_code


def _colour(drawings: Path, sheet: Path) -> Path:
    """The picture `sheet`, written anew: each of the bundled drawings in random styles of the bundled model."""
    import torch

    from unpaired.data.images import read_picture, to_tensor
    from unpaired.demo import MODEL
    from unpaired.inference.grids import write_grid
    from unpaired.inference.translator import load
    from unpaired.models.base import Grid

    translator = load(MODEL, device="cpu")
    inputs = torch.stack([to_tensor(read_picture(path, (255, 255, 255))) for path in sorted(drawings.glob("*.png"))])
    coloured = list(translator.variants(inputs, "b", translator.draw_styles(NUM_STYLES, seed=0)))
    labels = ("drawing", *(f"style {number}" for number in range(1, NUM_STYLES + 1)))
    return write_grid(Grid("demo", "Drawings, coloured", torch.stack([inputs, *coloured], dim=1), labels), sheet)


def _show_translations(job: Job, step: int) -> None:
    """Put translations of held-out pictures on the page of the run."""
    from unpaired.training.page import write_page
    from unpaired.training.runs import RunFolder
    from unpaired.training.samples import write_grids

    write_grids([_translations(job)], RunFolder(job.run_folder).samples, step)
    write_page(job.run_folder)


def _translations(job: Job) -> Grid:
    """Held-out Noto drawings, each followed by its translations in the same few random styles."""
    import torch

    from unpaired.data.loader import fixed_pictures
    from unpaired.inference.translator import load
    from unpaired.models.base import Grid

    translator = load(job.run_folder, device=job.config.device)
    inputs = fixed_pictures(job.folders.test_a, job.config.data, NUM_INPUTS)
    styles = translator.draw_styles(NUM_STYLES, job.config.seed)
    translated = [pictures.cpu() for pictures in translator.variants(inputs, "b", styles)]
    labels = ("input", *(f"style {number}" for number in range(1, NUM_STYLES + 1)))
    title = f"Translations: held-out emoji, each in {NUM_STYLES} random styles"
    return Grid(GRID_NAME, title, torch.stack([inputs, *translated], dim=1), labels)


def _last_words(run: Path, data: Path) -> list[str]:
    from unpaired.training.commands import quoted

    return [
        "",
        f"Inputs, samples over time, curves and translations: {_page(run)}",
        "Try next:",
        f"  unpaired translate {quoted(run)} {quoted(data / 'testA')} --to b --styles 5",
        f"  unpaired train {quoted(data)} --preset demo --steps 5000",
    ]


def _page(run: Path) -> str:
    from unpaired.training.page import PAGE_FILE

    return (run / PAGE_FILE).resolve().as_uri()
