"""What a bundle's `config.json` says. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unpaired.config import Byte
from unpaired.models import ModelConfig
from unpaired.settings import NonNegativeInt, Pixels, forbid_unknown, required, setting

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
FORMAT: Literal[1] = 1


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """How the pictures were prepared that the networks were trained on: fields of `DataConfig`."""

    size: tuple[Pixels, Pixels] = required("Height and width, in pixels, of the pictures that were trained on.")
    resize: Literal["cover", "stretch", "none"] | Pixels = required("How pictures were resized before the crop.")
    background: tuple[Byte, Byte, Byte] = required("Colour (red, green, blue) behind transparent parts.")

    @property
    def working_side(self) -> int | None:
        """The shorter side, in pixels, that shows things as large as in training; None for a picture's own pixels."""
        if self.resize == "none":
            return None
        return self.resize if isinstance(self.resize, int) else min(self.size)


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class DomainNames:
    """What the two domains show, as far as their folders' names tell."""

    a: str = required("Name of domain a.")
    b: str = required("Name of domain b.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """Everything about a trained translator but its weights."""

    format: Literal[1] = required("Layout of these files; a higher number needs a newer unpaired.")
    model: ModelConfig = required("The model.")
    data: PicturesConfig = required("The pictures it was trained on.")
    weights: Literal["ema", "raw"] = required("ema: the moving average of the weights in training; raw: the last ones.")
    step: NonNegativeInt | None = setting(None, "Updates made in training; null when unknown.")
    domains: DomainNames = required("The two domains.")
    source: str = required("The run or file that the weights come from.")
    versions: dict[str, str] = required("Versions of the packages that wrote the weights.")

    def describe_domains(self) -> str:
        """Both domains with their names, for messages."""
        return f"a ({self.domains.a}) or b ({self.domains.b})"
