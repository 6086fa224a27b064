"""What the two domains are called in front of people. Imports no torch."""

from __future__ import annotations

from pathlib import PurePath

from unpaired.config import DataConfig


def domain_names(data: DataConfig) -> tuple[str, str]:
    """The names of domains a and b: their folders' names, or "a" and "b" where those tell nothing.

    `trainA` and `trainB` in a folder such as `horse2zebra` are "horse" and "zebra", as data sets here are named.
    """
    if data.a is None or data.b is None:
        return "a", "b"
    a, b = PurePath(data.a), PurePath(data.b)
    if (a.name, b.name) == ("trainA", "trainB"):
        first, _, second = a.parent.name.partition("2")
        return (first, second) if first and second and "2" not in second else ("A", "B")
    return (a.name, b.name) if a.name and b.name and a.name != b.name else ("a", "b")
