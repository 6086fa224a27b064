"""The rows of the quality table: what each changes, alone, in the reference's settings, and why it was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One training: a preset, settings that differ from it, and what a reader should know about it."""

    about: str
    preset: str = "munit-small"
    settings: Mapping[str, Any] = field(default_factory=dict)


def _ingredient(about: str, **settings: Any) -> Row:
    """The reference's settings with one change; `__` stands for the dots of a setting's path."""
    return Row(about, settings={path.replace("__", "."): value for path, value in settings.items()})


ROWS: dict[str, Row] = {
    "faithful": Row("the reference's settings"),
    "fast": Row("the preset munit-fast", preset="munit-fast"),
    "without-image": _ingredient("no image reconstruction", model__weights__image=0.0),
    "without-content": _ingredient("no content reconstruction", model__weights__content=0.0),
    "without-style": _ingredient("no style reconstruction", model__weights__style=0.0),
    "diffaugment": _ingredient("DiffAugment (color, translation)", model__augment=["color", "translation"]),
    "r1": _ingredient("R1, weight 1, every 16 steps", model__weights__r1=1.0),
    "hinge": _ingredient("hinge loss", model__adversarial="hinge"),
    "two-rates": _ingredient("discriminators at 4e-4", optimizer__lr_discriminator=4e-4),
    "high-rate": _ingredient(
        "both rates 4e-4, falling to 0 in the second half",
        optimizer__lr_generator=4e-4,
        optimizer__lr_discriminator=4e-4,
        optimizer__schedule="linear",
        optimizer__step_size=1,
    ),
    "spectral": _ingredient("spectral norm in the discriminators", model__discriminator__norm="spectral"),
    "style-prior": _ingredient("pull of encoded styles to N(0, I), weight 0.1", model__weights__style_prior=0.1),
    "detached": _ingredient("content target detached", model__detach_content_target=True),
    "cycle": _ingredient("explicit cycle, weight 10", model__weights__cycle=10.0),
    "mode-seeking": _ingredient("mode seeking, weight 0.1", model__weights__mode_seeking=0.1),
    "one-downsampling": _ingredient(
        "content code at half the size, not a quarter", model__generator__num_downsamples=1
    ),
}
