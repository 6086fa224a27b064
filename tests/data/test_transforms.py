from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from unpaired.config import DataConfig
from unpaired.data.images import Size, to_uint8
from unpaired.data.transforms import Crop, centre_crop, random_crop, resized, resized_size, share_inside

sides = st.integers(1, 300)
sizes = st.tuples(sides, sides)


def numbered(height: int, width: int) -> torch.Tensor:
    """A picture in which every pixel tells where it was: row, column, 0."""
    rows = torch.arange(height, dtype=torch.uint8).view(-1, 1).expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8).view(1, -1).expand(height, width)
    return torch.stack([rows, columns, torch.zeros_like(rows)])


def random_crop_and_flip(picture: torch.Tensor, size: Size, flip: bool, rng: random.Random) -> torch.Tensor:
    return random_crop((picture.shape[1], picture.shape[2]), size, flip, rng).of(picture)


@given(sizes, sizes, st.integers(0, 40))
def test_cover_just_covers_the_size_and_keeps_the_shape(
    picture: tuple[int, int], size: tuple[int, int], margin: int
) -> None:
    goal = (size[0] + margin, size[1] + margin)
    found = resized_size(picture, DataConfig(size=size, resize="cover", margin=margin))
    assert found[0] >= goal[0]
    assert found[1] >= goal[1]
    assert found[0] == goal[0] or found[1] == goal[1]
    scale = max(goal[0] / picture[0], goal[1] / picture[1])
    assert abs(found[0] - picture[0] * scale) <= 0.5 or found[0] == goal[0]
    assert abs(found[1] - picture[1] * scale) <= 0.5 or found[1] == goal[1]


@given(sizes, sizes, st.integers(0, 40))
def test_stretch_gives_the_size_and_margin(picture: tuple[int, int], size: tuple[int, int], margin: int) -> None:
    data = DataConfig(size=size, resize="stretch", margin=margin)
    assert resized_size(picture, data) == (size[0] + margin, size[1] + margin)


@given(sizes)
def test_none_leaves_the_size(picture: tuple[int, int]) -> None:
    assert resized_size(picture, DataConfig(size=(64, 64), resize="none", margin=9)) == picture


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((100, 200), (50, 100)),
        ((200, 100), (100, 50)),
        ((30, 30), (50, 50)),
        ((3, 10), (50, 166)),
        ((10, 3), (166, 50)),
    ],
)
def test_a_number_is_the_shorter_side(picture: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized_size(picture, DataConfig(size=(32, 32), resize=50)) == expected


def test_resized_gives_that_size_and_the_mean_of_what_it_shrinks() -> None:
    image = Image.fromarray(np.tile(np.array([0, 255], dtype=np.uint8), (4, 4))).convert("RGB")
    small = resized(image, DataConfig(size=(2, 4), resize="stretch"))
    assert small.size == (4, 2)
    assert (np.abs(np.asarray(small).astype(int) - 127) < 35).all()  # a nearest one would give 0 or 255


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    image = Image.new("RGB", (64, 32))
    assert resized(image, DataConfig(size=(32, 64))) is image


@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(0, 9), st.integers(0, 9), st.booleans(), st.integers(0, 2**64)
)
def test_crops_are_parts_of_the_picture(height: int, width: int, down: int, right: int, flip: bool, seed: int) -> None:
    part = random_crop_and_flip(numbered(height + down, width + right), (height, width), flip, random.Random(seed))
    rows, columns, _ = part.int()
    assert part.shape == (3, height, width)
    assert (rows == rows[0, 0] + torch.arange(height).view(-1, 1)).all()
    straight = (columns == columns[0, 0] + torch.arange(width)).all()
    mirrored = (columns == columns[0, 0] - torch.arange(width)).all()
    assert straight or (mirrored and flip)


def test_every_place_and_both_directions_come_up_equally_often() -> None:
    found: dict[tuple[int, ...], int] = {}
    for seed in range(1200):
        part = random_crop_and_flip(numbered(4, 5), (3, 3), True, random.Random(seed))
        key = (int(part[0, 0, 0]), int(part[1, 0].min()), int(part[1, 0, 0] > part[1, 0, 1]))
        found[key] = found.get(key, 0) + 1
    assert len(found) == 2 * 3 * 2
    assert min(found.values()) > 60


def test_the_crop_does_not_depend_on_flip() -> None:
    for seed in range(20):
        straight = random_crop_and_flip(numbered(20, 20), (5, 5), False, random.Random(seed))
        maybe = random_crop_and_flip(numbered(20, 20), (5, 5), True, random.Random(seed))
        assert torch.equal(maybe, straight) or torch.equal(maybe, straight.flip(2))


def test_the_centre() -> None:
    part = centre_crop((10, 21), (4, 5)).of(numbered(10, 21))
    assert part[0, :, 0].tolist() == [3, 4, 5, 6]
    assert part[1, 0].tolist() == [8, 9, 10, 11, 12]


def with_square(height: int, width: int, box: tuple[int, int, int, int]) -> Image.Image:
    """A black picture with a white rectangle."""
    image = Image.new("RGB", (width, height))
    image.paste((255, 255, 255), box)
    return image


def centre_and_area(picture: torch.Tensor) -> list[float]:
    """The x and y of the middle of what is white in `picture` (3, H, W), and its area: a resize keeps all three."""
    light = picture[0].double() / 255
    x = (light.sum(dim=0) * (torch.arange(light.shape[1]) + 0.5)).sum() / light.sum()
    y = (light.sum(dim=1) * (torch.arange(light.shape[0]) + 0.5)).sum() / light.sum()
    return [float(x), float(y), float(light.sum())]


@given(
    st.tuples(st.integers(24, 90), st.integers(24, 90)),
    st.sampled_from(["cover", "stretch", "none", 40]),
    st.integers(0, 12),
    st.integers(0, 2**32),
    st.data(),
)
def test_a_box_goes_where_its_square_goes(
    picture_size: Size, resize: str | int, margin: int, seed: int, data: st.DataObject
) -> None:
    height, width = picture_size
    left, top = data.draw(st.integers(2, width - 14)), data.draw(st.integers(2, height - 14))
    box = (left, top, data.draw(st.integers(left + 8, width - 4)), data.draw(st.integers(top + 8, height - 4)))
    config = DataConfig(size=(20, 24), resize=resize, margin=margin)
    image = resized(with_square(height, width, box), config)
    scale = np.array([image.width / width, image.height / height] * 2)
    crop = random_crop((image.height, image.width), config.size, True, random.Random(seed))
    found = crop.of_box(np.array(box) * scale)
    visible = [clip(v, 0, config.size[1 - k % 2]) for k, v in enumerate(found)]
    width_px, height_px = visible[2] - visible[0], visible[3] - visible[1]
    x, y, area_px = centre_and_area(crop.of(to_uint8(image)))
    assume(area_px > 8)
    assert area_px == pytest.approx(width_px * height_px, abs=0.5 * (width_px + height_px))
    assert x == pytest.approx((visible[0] + visible[2]) / 2, abs=0.6)
    assert y == pytest.approx((visible[1] + visible[3]) / 2, abs=0.6)


def clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_the_share_inside_is_what_is_left_of_the_square(
    left: int, top: int, width: int, height: int, mirrored: bool
) -> None:
    box = (left, top, left + width, top + height)
    picture = to_uint8(with_square(64, 64, box))
    crop = Crop(top=10, left=15, size=(24, 20), mirrored=mirrored)
    share = float((crop.of(picture)[0] == 255).sum()) / (width * height)
    assert share_inside(crop.of_box(np.array(box, dtype=float)), crop.size) == pytest.approx(share)


def test_a_crop_draws_three_numbers_whatever_is_asked() -> None:
    for picture_size, size, flip in (((9, 9), (9, 9), False), ((40, 30), (8, 8), True), ((8, 50), (8, 8), False)):
        rng, other = random.Random(5), random.Random(5)
        random_crop(picture_size, size, flip, rng)
        assert [other.random() for _ in range(3)]
        assert rng.random() == other.random()
