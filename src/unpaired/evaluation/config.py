"""Settings of the measurements during training. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unpaired.settings import PositiveInt, forbid_unknown, setting


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Measurements of held-out pictures during training. They change nothing of what is learned."""

    every_steps: PositiveInt | None = setting(None, "Steps between two measurements; null for none.")
    metrics: tuple[str, ...] = setting(("kid", "diversity"), "What to measure; see docs/evaluation.md.")
    to: Literal["both", "a", "b"] = setting("both", "Direction to measure: translations to a, to b, or both.")
    num_inputs: PositiveInt = setting(100, "Held-out pictures of each domain that are translated, at most.")
    num_styles: PositiveInt = setting(4, "Random styles of each of them.")
    best: str = setting(
        "kid",
        "Number whose best value keeps checkpoints/best.safetensors: its mean over the directions; kid_b is that of b.",
    )
