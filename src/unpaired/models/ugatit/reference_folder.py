"""Reads the settings that the original TensorFlow code writes into the name of its checkpoints' folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from unpaired.models.ugatit.config import WeightsConfig

Adversarial = Literal["lsgan", "nsgan", "hinge"]
ADVERSARIAL: dict[str, Adversarial] = {"lsgan": "lsgan", "gan": "nsgan", "hinge": "hinge"}
"""Our name of each of its adversarial losses that is offered here."""

PATTERN = re.compile(
    r"UGATIT(?:_light)?_.+_(?P<loss>[a-z-]+)_\d+resblock_\d+dis_\d+"
    r"_(?P<adversarial>\d+)_(?P<cycle>\d+)_(?P<identity>\d+)_(?P<cam>\d+)(?:_sn)?(?P<smoothing>_smoothing)?"
)


@dataclass(frozen=True)
class FolderSettings:
    """What the name tells; the defaults are the original's. `notes`: what it did not tell or is not offered."""

    adversarial: Adversarial = "lsgan"
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    smoothing: bool = True
    notes: tuple[str, ...] = ()


def read_folder_name(name: str) -> FolderSettings:
    """The settings in a name such as `UGATIT_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000_sn_smoothing`."""
    match = PATTERN.fullmatch(name)
    if match is None:
        note = "The name of its folder tells no settings: the original's defaults were assumed (lsgan, smoothing)."
        return FolderSettings(notes=(note,))
    loss = match["loss"]
    notes = () if loss in ADVERSARIAL else (f"It was trained with {loss}, which is not offered here: lsgan is set.",)
    return FolderSettings(
        adversarial=ADVERSARIAL.get(loss, "lsgan"),
        weights=WeightsConfig(**{term: float(match[term]) for term in ("adversarial", "cycle", "identity", "cam")}),
        smoothing=match["smoothing"] is not None,
        notes=notes,
    )
