"""Edge agreement pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from unpaired.data.prepare import edge_map
from unpaired.errors import UsageError
from unpaired.metrics.edges import edge_agreement

SIZE = (24, 20)


def shapes(seed: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with a few coloured discs."""
    rng = np.random.default_rng(seed)
    picture = np.full((*SIZE, 3), 255, np.uint8)
    for _ in range(3):
        centre = tuple(int(c) for c in rng.integers(4, 18, 2))
        cv2.circle(picture, centre, int(rng.integers(3, 7)), [int(c) for c in rng.integers(0, 256, 3)], -1)
    return picture


def tensor(*pictures: NDArray[np.uint8]) -> Tensor:
    colour = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in pictures]
    return torch.from_numpy(np.stack(colour)).permute(0, 3, 1, 2) / 127.5 - 1


def by_hand(found: NDArray[np.bool_], given: NDArray[np.bool_], tolerance: int) -> float:
    """F1 from the distances of all pairs of pixels, in steps of a king."""
    ours, theirs = np.argwhere(found), np.argwhere(given)
    steps = np.abs(ours[:, None] - theirs[None]).max(axis=2)
    precision, recall = (steps.min(axis=1) <= tolerance).mean(), (steps.min(axis=0) <= tolerance).mean()
    return float(2 / (1 / precision + 1 / recall)) if precision and recall else 0.0


@pytest.mark.parametrize("tolerance", [0, 1, 2])
def test_f1_within_a_tolerance(tolerance: int) -> None:
    pictures, drawn = [shapes(n) for n in range(4)], [edge_map(shapes(n + 1), 20, 60) for n in range(4)]
    expected = []
    for picture, edges in zip(pictures, drawn, strict=True):
        blurred = cv2.GaussianBlur(picture, (3, 3), 0)
        canny = [cv2.Canny(np.ascontiguousarray(blurred[..., c]), 20, 60) for c in range(3)]
        expected.append(by_hand(np.max(canny, axis=0) > 0, edges == 0, tolerance))
    found = edge_agreement(tensor(*pictures), tensor(*drawn), tolerance_px=tolerance)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert 0.1 < found.mean() < 0.9


def test_a_picture_agrees_with_its_own_edges() -> None:
    pictures = [shapes(n) for n in range(3)]
    own = tensor(*(edge_map(picture, 20, 60) for picture in pictures))
    assert edge_agreement(tensor(*pictures), own, tolerance_px=0).tolist() == [1, 1, 1]


def test_half_covered_pixels_are_no_edges() -> None:
    """Maps that were made at twice the size and halved have greys: byte 128 is on the light side."""
    picture = tensor(shapes(0))
    drawn = edge_map(shapes(0), 20, 60)
    light, dark = drawn.copy(), drawn.copy()
    light[:12] = np.maximum(light[:12], 128)
    dark[:12] = np.maximum(dark[:12], 127)
    assert edge_agreement(picture, tensor(dark)).item() == 1
    assert edge_agreement(picture, tensor(light)).item() < 1


def test_pictures_without_edges() -> None:
    blank, edges = np.full((*SIZE, 3), 255, np.uint8), edge_map(shapes(0), 20, 60)
    assert edge_agreement(tensor(blank, blank, shapes(0)), tensor(blank, edges, blank)).tolist() == [1, 0, 0]


def test_edges_of_other_pictures_or_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot be compared"):
        edge_agreement(tensor(shapes(0)), tensor(shapes(0), shapes(1)))
    with pytest.raises(UsageError, match="tolerance_px=-1"):
        edge_agreement(tensor(shapes(0)), tensor(shapes(0)), tolerance_px=-1)
