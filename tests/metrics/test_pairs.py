from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.metrics.pairs import best_of, distances_to_truth, mean_of, psnr
from unpaired.metrics.picture_distance import DistanceFacts, PictureDistance


@pytest.fixture
def distance() -> PictureDistance:
    facts = DistanceFacts(name="toy", label="Toy", recipe={}, min_side_px=1)
    return PictureDistance(facts, lambda x: [x, x[:, :2, ::2, ::2].abs()])


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_every_style_is_compared_with_its_own_truth(distance: PictureDistance) -> None:
    pictures, truth = drawn(0, 3, 4), drawn(1, 3)
    found = distances_to_truth(pictures, truth, distance)
    assert found.shape == (3, 4)
    for n in range(3):
        for s in range(4):
            assert found[n, s].item() == pytest.approx(distance(pictures[n, s][None], truth[n][None]).item(), rel=1e-5)


def test_best_and_mean_of_the_styles() -> None:
    distances = torch.tensor([[3.0, 1.0, 2.0], [5.0, 7.0, 6.0]])
    assert best_of(distances).tolist() == [1, 5]
    assert mean_of(distances).tolist() == [2, 6]


def test_the_truth_itself_among_the_styles_is_the_best(distance: PictureDistance) -> None:
    pictures, truth = drawn(0, 2, 3), drawn(1, 2)
    pictures[:, 1] = truth
    assert best_of(distances_to_truth(pictures, truth, distance)).abs().max() < 1e-6


def test_other_numbers_of_pictures_are_refused(distance: PictureDistance) -> None:
    with pytest.raises(UsageError, match="cannot be compared"):
        distances_to_truth(drawn(0, 3, 4), drawn(1, 2), distance)
    with pytest.raises(UsageError, match="several styles"):
        distances_to_truth(drawn(0, 3), drawn(1, 3), distance)


def test_psnr_is_opencvs_on_bytes() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (4, 10, 12, 3)).astype(np.uint8)
    second = np.clip(first + rng.normal(0, [[[[2]]], [[[10]]], [[[40]]], [[[90]]]], first.shape), 0, 255).astype(
        np.uint8
    )
    x, y = (torch.from_numpy(p).permute(0, 3, 1, 2) / 127.5 - 1 for p in (first, second))
    expected = [cv2.PSNR(one, two) for one, two in zip(first, second, strict=True)]
    np.testing.assert_allclose(psnr(x, y), expected, rtol=1e-5)


def test_psnr_of_known_errors() -> None:
    black, white = -torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert psnr(black, white).item() == 0
    assert psnr(white * 0.5, white * 0.3).item() == pytest.approx(20, rel=1e-5)  # a tenth of the range
    assert psnr(white, white).item() == pytest.approx(100)
