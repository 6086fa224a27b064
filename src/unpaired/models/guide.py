"""What is normal while a model trains, in words for people: shown on the page of a run. Imports no torch.

Each model writes its own guide. Terms and grids that a guide does not name are shown without a comment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Level:
    """A value of a loss that means something; drawn as a line across its curves."""

    value: float
    text: str


@dataclass(frozen=True)
class Alarm:
    """What to tell people when a loss stays `side` of `limit` after `from_step` updates."""

    side: Literal["below", "above"]
    limit: float
    from_step: int
    text: str

    def rings(self, value: float, step: int) -> bool:
        """Whether `value`, a recent mean after `step` updates, is on the wrong side."""
        wrong = value < self.limit if self.side == "below" else value > self.limit
        return wrong and step >= self.from_step


@dataclass(frozen=True)
class TermGuide:
    """One line on what is normal for the curves of a term, levels to compare with, alarms."""

    title: str
    normal: str
    levels: tuple[Level, ...] = ()
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True)
class GridGuide:
    """What a sample grid shows: a short title and one line on its rows and columns."""

    title: str
    caption: str


@dataclass(frozen=True)
class Guide:
    """The guide of a model.

    `expect`: what to expect in which order. `terms`: by the name in metrics.jsonl without its domain, such as
    `generator/image`, in the order to show them. `grids`: by `Grid.name`, in order. All texts are plain text.
    """

    expect: tuple[str, ...]
    terms: Mapping[str, TermGuide]
    grids: Mapping[str, GridGuide]


NO_GUIDE = Guide((), {}, {})
