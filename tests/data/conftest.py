from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Pictures = Callable[..., Path]


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """Writes `count` plain pictures into a new folder: 00.png, 01.png …, each of a grey of its own."""

    def write(name: str, count: int, size: tuple[int, int] = (16, 16), first_grey: int = 0) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", size[::-1], (first_grey + number,) * 3).save(folder / f"{number:02}.png")
        return folder

    return write
