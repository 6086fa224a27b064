"""`unpaired demo`: a first run that ends with pictures, made by the same code as every other run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from unpaired.models.base import Grid

NUM_INPUTS = 8
NUM_STYLES = 5
GRID_NAME = "translations"


def demo(
    *,
    steps: Annotated[str | None, Parameter(help="Steps to train; the default takes about two minutes.")] = None,
    seed: Annotated[str | None, Parameter(help="Seed of everything that is random.")] = None,
    out: Annotated[Path, Parameter(help="Folder for the bundled pictures.")] = Path("demo_data"),
) -> int:
    """Train a small model on bundled pictures (edges of emoji, and other emoji in colour) and show what it does."""
    from unpaired import presets
    from unpaired.config import override
    from unpaired.demo import unpack
    from unpaired.errors import raise_if_any
    from unpaired.training.job import TrainCall, flag_overrides, prepare, start
    from unpaired.training.logs import say

    flags = flag_overrides({"steps": steps, "seed": seed})
    raise_if_any(override(presets.demo(), flags)[1])  # before anything is written
    data = unpack(out)
    job = prepare(TrainCall(folders=(data,), preset="demo", flags=flags))
    say(f"Training on {len(job.folders.a)} pictures of edges and {len(job.folders.b)} of emoji in {data}.")
    say(f"Watch it in {_page(job.run_folder)}")
    result = start(job)
    if result.exit_code == 0:
        _show_translations(result.folder, data, result.step, job.config.seed)
        say("\n".join(_last_words(result.folder, data)))
    return result.exit_code


def _show_translations(run: Path, data: Path, step: int, seed: int) -> None:
    """Put translations of held-out pictures on the page of the run."""
    from unpaired.training.page import write_page
    from unpaired.training.runs import RunFolder
    from unpaired.training.samples import write_grids

    pictures = sorted((data / "testA").iterdir())
    chosen = [pictures[(2 * i + 1) * len(pictures) // (2 * NUM_INPUTS)] for i in range(NUM_INPUTS)]
    write_grids([_translations(run, chosen, seed)], RunFolder(run).samples, step)
    write_page(run)


def _translations(run: Path, pictures: list[Path], seed: int) -> Grid:
    """`pictures` of edges, each followed by its translations in the same few random styles."""
    import torch

    import unpaired
    from unpaired.data.images import read_picture, to_tensor
    from unpaired.models.base import Grid

    translator = unpaired.load(run)
    rows = []
    for path in pictures:
        picture = read_picture(path, background=(255, 255, 255))
        translated = translator.translate(picture, to="b", num_styles=NUM_STYLES, seed=seed)
        rows.append(torch.stack([to_tensor(p) for p in (picture, *translated)]))
    labels = ("input", *(f"style {number}" for number in range(1, NUM_STYLES + 1)))
    return Grid(GRID_NAME, "Held-out edges, each translated in five random styles", torch.stack(rows), labels)


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
