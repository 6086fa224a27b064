"""One measured number with everything that is needed to trust it, to repeat it and to compare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["lower", "higher", "neither"]
Group = Literal["quality", "diversity", "modes", "pairs", "edges", "identity", "round trips", "style codes"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A number, the interval that holds it with a probability of 95 %, and its recipe.

    `name` is stable (it is a key in files), `label` is what people read, with the network in it where there is one.
    `direction` is "a→b", "b→a", or the domain "a" or "b" that it is about. `recipe` names what has to be the same for
    two numbers to be comparable: network, resize, counts, seed. `per_picture` holds one value for each of `pictures`
    where the number is their mean, so that two models can be compared picture by picture. `per_dimension` holds one
    value for each dimension of the style code where the number is about them.
    """

    name: str
    label: str
    group: Group
    direction: str
    value: float
    better: Better
    low: float | None = None
    high: float | None = None
    recipe: Mapping[str, str | int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    per_picture: tuple[float, ...] = ()
    per_dimension: tuple[float, ...] = ()

    def comparable_to(self, other: Measurement) -> bool:
        """Whether both numbers were made in the same way, so that their difference means something."""
        same_kind = (self.name, self.direction) == (other.name, other.direction)
        return same_kind and dict(self.recipe) == dict(other.recipe)
