"""What tests rely on: one thread a process (they run in parallel), few, unhurried hypothesis examples, drawn faces."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch; subprocesses inherit it

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from PIL import Image

settings.register_profile("unpaired", max_examples=40, deadline=None)
settings.load_profile("unpaired")

OVERSAMPLING = 4


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Lets torch have so many threads in this process, as on a machine with as many cores, until the test ends."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def two_threads(torch_threads: Callable[[int], None]) -> None:
    """Two threads for torch."""
    torch_threads(2)


@pytest.fixture(scope="session")
def draw_face() -> Callable[..., Image.Image]:
    """Draws somebody, another one for each seed: `draw_face(seed, size=(width, height), at=(left, top), face_px=64)`.

    The head fills the square of `face_px` at `at` (the middle when it is not given). Face detectors find it.
    """
    return _draw_face


def _draw_face(
    seed: int = 0, *, size: tuple[int, int] = (96, 96), at: tuple[float, float] | None = None, face_px: float = 64
) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFilter

    rng = random.Random(seed)
    left, top = at or ((size[0] - face_px) / 2, (size[1] - face_px) / 2)
    ground, hair = tuple(rng.randrange(70, 160) for _ in "rgb"), tuple(rng.randrange(20, 70) for _ in "rgb")
    skin = (rng.randrange(200, 240), rng.randrange(160, 190), rng.randrange(125, 155))
    shade = tuple(int(0.8 * c) for c in skin)
    image = Image.new("RGB", (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING), ground)
    pen = ImageDraw.Draw(image)

    def px(x: float, y: float) -> tuple[float, float]:
        return (left + x * face_px) * OVERSAMPLING, (top + y * face_px) * OVERSAMPLING

    def disc(x: float, y: float, wide: float, high: float, colour: tuple[int, ...]) -> None:
        pen.ellipse([px(x - wide, y - high), px(x + wide, y + high)], fill=colour)

    def line(colour: tuple[int, ...], width: float, *points: tuple[float, float]) -> None:
        pen.line([px(*point) for point in points], fill=colour, width=round(width * face_px * OVERSAMPLING))

    disc(0.5, 0.45, 0.45, 0.45, hair)
    disc(0.5, 0.55, rng.uniform(0.34, 0.37), 0.44, skin)
    for eye in (0.35, 0.65):
        disc(eye, 0.5, 0.085, 0.045, (245, 245, 245))
        disc(eye, 0.5, 0.042, 0.045, hair)
        disc(eye, 0.5, 0.02, 0.022, (10, 10, 10))
        line(hair, rng.uniform(0.024, 0.034), (eye - 0.1, 0.42), (eye, 0.395), (eye + 0.1, 0.42))
    line(shade, 0.025, (0.5, 0.5), (0.47, 0.67), (0.54, 0.68))
    disc(0.5, 0.8, rng.uniform(0.13, 0.15), 0.035, (180, 60, 60))
    line((110, 40, 40), 0.012, (0.37, 0.8), (0.63, 0.8))
    soft = image.filter(ImageFilter.GaussianBlur(face_px * OVERSAMPLING * 0.008))
    return soft.resize(size, Image.Resampling.LANCZOS)
