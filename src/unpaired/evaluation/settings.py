"""What an evaluation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unpaired.models.base import Domain

DEFAULT_STYLES = 10
MOST_BYTES = 2 * 2**30
"""Translations of one direction are kept in memory, as bytes: more inputs than fit into this are not taken."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to measure. `metrics` None takes all that apply; `num_inputs` None all held-out pictures.

    `size` is the height and width to measure at; None that of the model. `pairs`: whether equal names are pairs; None
    where all names are equal. `edges`: the domain of edge maps; None looks at the pictures. `of_training` compares with
    the real pictures of the training, `modes` is a folder of labelled pictures. `by_example`: styles are those of
    training pictures instead of random ones.
    """

    to: tuple[Domain, ...] = ("b", "a")
    metrics: tuple[str, ...] | None = None
    num_styles: int = DEFAULT_STYLES
    num_inputs: int | None = None
    seed: int = 0
    size: tuple[int, int] | None = None
    features: str | None = None
    distance: str | None = None
    modes: Path | None = None
    pairs: bool | None = None
    edges: Literal["a", "b", "no"] | None = None
    of_training: bool = False
    by_example: bool = False
    baselines: bool = True
    raw: bool = False
    device: str = "auto"
    batch_size: int | None = None
