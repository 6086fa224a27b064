"""Building blocks of the typed configuration: documented fields, common types. Imports neither torch nor pydantic."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Interval

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
NonNegativeFloat = Annotated[float, Ge(0.0)]
Fraction = Annotated[float, Interval(ge=0.0, lt=1.0)]
Pixels = Annotated[int, Ge(1)]

T = TypeVar("T")


def setting(default: T, doc: str) -> T:
    """A dataclass field with a default and one line that `unpaired config` shows for it."""
    return field(default=default, metadata={"doc": doc})


def required(doc: str) -> Any:
    """A dataclass field that has to be given, with one line about it for messages."""
    return field(metadata={"doc": doc})


def forbid_unknown(cls: type[T]) -> type[T]:
    """Make the validator refuse keys that the dataclass `cls` does not have, and infinite numbers."""
    cls.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # type: ignore[attr-defined]
    return cls
