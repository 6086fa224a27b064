from __future__ import annotations

import pytest

from unpaired.config import DataConfig
from unpaired.domain_names import domain_names


@pytest.mark.parametrize(
    ("a", "b", "names"),
    [
        ("pictures/cats", "pictures/dogs", ("cats", "dogs")),
        ("data/horse2zebra/trainA", "data/horse2zebra/trainB", ("horse", "zebra")),
        ("data/mine/trainA", "data/mine/trainB", ("A", "B")),
        ("data/1to2to3_2_2/trainA", "data/1to2to3_2_2/trainB", ("A", "B")),
        ("data/2/trainA", "data/2/trainB", ("A", "B")),
        ("here/pictures", "there/pictures", ("a", "b")),
        (None, None, ("a", "b")),
    ],
)
def test_names(a: str | None, b: str | None, names: tuple[str, str]) -> None:
    assert domain_names(DataConfig(a=a, b=b)) == names
