"""Sample grids as picture files: what a person looks at to see whether training works."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unpaired.inference.grids import write_grid
from unpaired.models.base import Grid


def write_grids(grids: Sequence[Grid], folder: Path, step: int) -> list[Path]:
    """The files written into `folder`, one a grid: `<name>-<step, 8 digits>.png`.

    Each file carries the grid's title as PNG text, so that a page can show it. An older file of the same name stays
    whole until the new one is complete. Raises `UserError` when the disk is full or the folder cannot be written.
    """
    return [write_grid(grid, folder / f"{grid.name}-{step:08d}.png") for grid in grids]
