"""Learn to translate images between two folders without pairs, and use what was learned.

    import unpaired
    translator = unpaired.load("runs/0001-munit-emoji")
    pictures = translator.translate("cat.png", to="b", num_styles=5, seed=0)

Importing this package imports no torch: that happens when a function is called or `Translator` is looked up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unpaired.inference.translator import Translator

    __version__: str

__all__ = ["Translator", "__version__", "load"]


def load(model: str | Path, *, device: str = "auto", raw: bool = False) -> Translator:
    """The translator of `model`: a run folder, a checkpoint file or a bundle folder.

    `device` is auto, cpu, cuda or mps. The moving average of the weights is used where there is one, the last weights
    with `raw`. Raises `unpaired.errors.UserError` when there is no usable model.
    """
    from unpaired.inference.translator import load as load_translator

    return load_translator(model, device=device, raw=raw)


def __getattr__(name: str) -> object:
    if name == "Translator":
        from unpaired.inference.translator import Translator

        return Translator
    if name == "__version__":
        from importlib.metadata import version

        return version("unpaired")
    raise AttributeError(f"module 'unpaired' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
