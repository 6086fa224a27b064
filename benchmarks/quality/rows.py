"""The rows of the quality tables: what each training changes, and against what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One training: a preset, the settings that differ from it, and what to call it."""

    about: str
    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def _faithful(about: str, settings: Mapping[str, Any]) -> Row:
    return Row(f"faithful, {about}", "munit-small", settings)


def _fast(about: str, settings: Mapping[str, Any]) -> Row:
    return Row(f"fast, {about}", "munit-fast", settings)


ROWS: dict[str, Row] = {
    "faithful": Row("faithful: the reference's settings (munit-small)", "munit-small"),
    "fast": Row("fast: munit-fast", "munit-fast"),
    # The paper's Table 1: one term of the faithful settings left out.
    "without-image": _faithful("without image reconstruction", {"model.weights.image": 0.0}),
    "without-content": _faithful("without content reconstruction", {"model.weights.content": 0.0}),
    "without-style": _faithful("without style reconstruction", {"model.weights.style": 0.0}),
    # What munit-fast adds to the faithful settings, one taken out at a time.
    "fast-without-cycle": _fast("without explicit cycle", {"model.weights.cycle": 0.0}),
    "fast-two-downsamplings": _fast("codes of a quarter of the side", {"model.generator.num_downsamples": 2}),
    "fast-without-augment": _fast("without DiffAugment", {"model.augment": []}),
    "fast-low-rates": _fast("rates 1e-4", {"optimizer.lr_generator": 1e-4, "optimizer.lr_discriminator": 1e-4}),
    "fast-without-contrast": _fast("without the contrast term", {"model.weights.contrast": 0.0}),
    "fast-without-centering": _fast("AdaIN scales not centered", {"model.center_adain": False}),
    # What was tried beside it, one added at a time.
    "fast-color": _fast("DiffAugment with color too", {"model.augment": ["color", "translation"]}),
    "fast-hinge-spectral": _fast(
        "hinge and spectral norm", {"model.adversarial": "hinge", "model.discriminator.norm": "spectral"}
    ),
    "fast-two-rates": _fast("discriminators at 1.2e-3", {"optimizer.lr_discriminator": 1.2e-3}),
    "fast-three-layers": _fast("discriminators of 3 layers", {"model.discriminator.num_layers": 3}),
    "fast-slow-discriminators": _fast("discriminators at 2e-4", {"optimizer.lr_discriminator": 2e-4}),
    "fast-high-rates": _fast("rates 8e-4", {"optimizer.lr_generator": 8e-4, "optimizer.lr_discriminator": 8e-4}),
    "fast-cycle-30": _fast("cycle weight 30", {"model.weights.cycle": 30.0}),
    "fast-one-block": _fast("1 residual block", {"model.generator.num_res_blocks": 1}),
    "fast-six-blocks": _fast("6 residual blocks", {"model.generator.num_res_blocks": 6}),
    "fast-adversarial": _fast("adversarial weight 3", {"model.weights.adversarial": 3.0}),
    "fast-r1": _fast("R1, weight 1", {"model.weights.r1": 1.0}),
    "fast-style-prior": _fast("pull of styles to N(0, I), 0.1", {"model.weights.style_prior": 0.1}),
    "fast-detached": _fast("content target detached", {"model.detach_content_target": True}),
    "fast-quick-moments": _fast("second moments over 100 steps", {"optimizer.betas": [0.5, 0.99]}),
    "fast-mode-seeking": _fast("mode seeking, 0.1", {"model.weights.mode_seeking": 0.1}),
}
