"""Reads checkpoints of the official codes: the PyTorch port's `*_params_*.pt`, and TensorFlow's `UGATIT.model-N.*`."""

from __future__ import annotations

from pathlib import Path

from unpaired.errors import UserError
from unpaired.models.base import ImportedModel


def import_checkpoint(source: Path, *, config: Path | None, discriminators: Path | None) -> ImportedModel:
    """The model in the reference's file `source`."""
    raise UserError(f"{source}: not yet", "Later.")
