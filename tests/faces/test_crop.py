from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

from unpaired.faces.crop import crop_faces, squares


def noise(num: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def box(*sides: float) -> Tensor:
    return torch.tensor([sides], dtype=torch.float32)


def pillow(x: Tensor, place: tuple[float, float, float, float], size_px: int) -> Tensor:
    """The part of `x` (3, H, W) in the box `place`, resized by Pillow in floating point."""
    planes = [Image.fromarray(plane.numpy(), mode=None) for plane in x]
    return torch.stack(
        [torch.from_numpy(np.array(p.resize((size_px, size_px), Image.Resampling.BILINEAR, box=place))) for p in planes]
    )


@pytest.mark.parametrize("side", [32, 64, 20, 160, 7])
def test_the_box_of_a_whole_square_picture_is_a_plain_resize(side: int) -> None:
    x = noise(2, side, side)
    found = crop_faces(x, box(0, 0, side, side).expand(2, 4), 32, margin=0.0)
    assert torch.allclose(found, interpolate(x, (32, 32), mode="bilinear", antialias=True), atol=2e-6)


@given(st.floats(16, 60), st.floats(0, 1), st.floats(0, 1), st.sampled_from([8, 15, 40]))
def test_any_box_is_what_pillow_makes_of_it(side: float, across: float, down: float, size_px: int) -> None:
    x = noise(1, 64, 72)
    left, top = across * (72 - side), down * (64 - side)
    place = (left, top, left + side, top + side)
    found = crop_faces(x, box(*place), size_px, margin=0.0)[0]
    assert torch.allclose(found, pillow(x[0], place, size_px), atol=2e-4)


def test_a_fine_grid_does_not_alias() -> None:
    """Stripes one pixel wide become grey at a quarter of the size; taking every fourth pixel would keep one colour."""
    x = torch.ones(1, 3, 64, 64)
    x[..., ::2] = -1
    found = crop_faces(x, box(0, 0, 64, 64), 16, margin=0.0)
    assert found[..., 1:-1].abs().max() < 0.01


def test_the_box_is_made_square_about_its_centre_and_grown() -> None:
    x = noise(1, 64, 64)
    narrow = crop_faces(x, box(28, 12, 36, 44), 16, margin=0.25)
    assert torch.equal(narrow, crop_faces(x, box(12, 8, 52, 48), 16, margin=0.0))
    centres, sides = squares(box(28, 12, 36, 44), 0.25)
    assert centres.tolist() == [[32, 28]]
    assert sides.tolist() == [40]


@pytest.mark.parametrize("place", [(-8, -8, 24, 24), (16, 20, 48, 52), (-20, 4, 12, 36), (4, 20, 36, 52)])
def test_beyond_the_picture_its_border_goes_on(place: tuple[int, ...]) -> None:
    x = noise(1, 32, 32)
    padded = pad(x, (32, 32, 32, 32), mode="replicate")
    found = crop_faces(x, box(*place), 32, margin=0.0)
    assert torch.allclose(found[0], padded[0, :, 32 + place[1] :, 32 + place[0] :][:, :32, :32], atol=1e-6)


def test_a_box_far_away_or_empty_gives_finite_numbers() -> None:
    x = noise(3, 16, 16)
    boxes = torch.tensor([[900.0, 900, 908, 908], [-800, 3, -700, 9], [5, 5, 5, 5]])
    found = crop_faces(x, boxes, 8, margin=0.0)
    assert found.isfinite().all()
    assert torch.allclose(found[0], x[0, :, -1:, -1:].expand(3, 8, 8), atol=1e-6)


def test_each_picture_has_its_own_box() -> None:
    x = noise(2, 40, 40)
    boxes = torch.cat([box(0, 0, 20, 20), box(11, 7, 31, 27)])
    both = crop_faces(x, boxes, 12, margin=0.3)
    for k in range(2):
        assert torch.allclose(both[k : k + 1], crop_faces(x[k : k + 1], boxes[k : k + 1], 12, margin=0.3), atol=1e-6)


def test_equal_pictures_give_equal_crops_whatever_the_box() -> None:
    """The same box of a source and of a translation shows the same place: a shift of one shifts the other."""
    x = noise(1, 40, 44)
    shifted = torch.roll(x, shifts=(3, 5), dims=(2, 3))
    here = crop_faces(x, box(10.5, 9.25, 26.5, 25.25), 16, margin=0.1)
    there = crop_faces(shifted, box(15.5, 12.25, 31.5, 28.25), 16, margin=0.1)
    assert torch.allclose(here, there, atol=1e-5)


@pytest.mark.parametrize("place", [(2.3, 1.1, 9.8, 8.2), (-3.0, 4.0, 6.0, 15.0)])
@pytest.mark.parametrize("size_px", [3, 17])
def test_the_gradient_is_that_of_the_crop(place: tuple[float, ...], size_px: int) -> None:
    x = noise(1, 12, 11).requires_grad_()
    towards = noise(1, size_px, size_px, seed=1)
    (crop_faces(x, box(*place), size_px, margin=0.1) * towards).sum().backward()
    assert x.grad is not None
    step = noise(1, 12, 11, seed=2)  # the crop is linear in x: its change along any direction is exact
    change = crop_faces(step, box(*place), size_px, margin=0.1)
    assert float((x.grad * step).sum()) == pytest.approx(float((change * towards).sum()), rel=1e-4, abs=1e-4)


def test_it_computes_in_float32_under_autocast() -> None:
    x, place = noise(1, 40, 40), box(3, 4, 30, 31)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = crop_faces(x, place, 16, margin=0.2)
        from_half = crop_faces(x.bfloat16(), place, 16, margin=0.2)
    assert torch.equal(found, crop_faces(x, place, 16, margin=0.2))
    assert from_half.dtype == torch.float32


def test_it_runs_without_content() -> None:
    with torch.device("meta"):
        x, boxes = torch.empty(2, 3, 40, 50, requires_grad=True), torch.empty(2, 4)
    found = crop_faces(x, boxes, 16, margin=0.2)
    assert found.shape == (2, 3, 16, 16)
    found.sum().backward()
