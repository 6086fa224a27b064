"""The models that `--model` can name. Adding one is a folder beside `munit/` and one line in `MODELS`.

Importing this module imports no torch: networks are loaded when a model is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unpaired.models.guide import Guide
from unpaired.models.munit.config import MunitConfig
from unpaired.models.munit.guide import guide as munit_guide
from unpaired.models.ugatit.config import UgatitConfig
from unpaired.models.ugatit.guide import guide as ugatit_guide

if TYPE_CHECKING:
    from unpaired.models.base import AnyMethod, ImportCheckpoint

ModelConfig = MunitConfig | UgatitConfig
"""The union of all model configs, told apart by their `name`."""


@dataclass(frozen=True)
class ModelEntry:
    """What the rest of the house needs to know about a model. `guide` and the method take its own config."""

    config: type[ModelConfig]
    guide: Callable[[Any, tuple[str, str]], Guide]
    load_method: Callable[[], type[AnyMethod]]
    load_importer: Callable[[], ImportCheckpoint]


def _munit_method() -> type[AnyMethod]:
    from unpaired.models.munit.method import Munit

    return Munit


def _munit_importer() -> ImportCheckpoint:
    from unpaired.models.munit.importer import import_checkpoint

    return import_checkpoint


def _ugatit_method() -> type[AnyMethod]:
    from unpaired.models.ugatit.method import Ugatit

    return Ugatit


def _ugatit_importer() -> ImportCheckpoint:
    from unpaired.models.ugatit.importer import import_checkpoint

    return import_checkpoint


MODELS: dict[str, ModelEntry] = {
    "munit": ModelEntry(MunitConfig, munit_guide, _munit_method, _munit_importer),
    "ugatit": ModelEntry(UgatitConfig, ugatit_guide, _ugatit_method, _ugatit_importer),
}
