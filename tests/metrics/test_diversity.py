from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.metrics import picture_distance
from unpaired.metrics.diversity import all_pairs_diversity, consecutive_diversity
from unpaired.metrics.picture_distance import DistanceFacts, PictureDistance


@pytest.fixture
def distance() -> PictureDistance:
    facts = DistanceFacts(name="toy", label="Toy", recipe={}, min_side_px=1)
    return PictureDistance(facts, lambda x: [x, x[:, :2, ::2, ::2].abs()])


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(3, 5, 3, 6, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_consecutive_styles(distance: PictureDistance, pictures: Tensor) -> None:
    """BicycleGAN's protocol: of S samples the S - 1 pairs of neighbours."""
    expected = sum(distance(pictures[:, i], pictures[:, i + 1]) for i in range(4)) / 4
    torch.testing.assert_close(consecutive_diversity(pictures, distance), expected)


def test_all_pairs_of_styles(distance: PictureDistance, pictures: Tensor) -> None:
    pairs = list(combinations(range(5), 2))
    expected = sum(distance(pictures[:, i], pictures[:, j]) for i, j in pairs) / 10
    torch.testing.assert_close(all_pairs_diversity(pictures, distance), expected)


def test_two_styles_are_one_pair_and_equal_styles_have_no_diversity(
    distance: PictureDistance, pictures: Tensor
) -> None:
    two, same = pictures[:, :2], pictures[:, :1].expand(-1, 4, -1, -1, -1)
    torch.testing.assert_close(consecutive_diversity(two, distance), distance(two[:, 0], two[:, 1]))
    torch.testing.assert_close(all_pairs_diversity(two, distance), distance(two[:, 0], two[:, 1]))
    assert all_pairs_diversity(same, distance).abs().max() == consecutive_diversity(same, distance).abs().max() == 0


def test_features_are_computed_once_a_picture_in_small_parts(pictures: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def trunk(x: Tensor) -> list[Tensor]:
        seen.append(len(x))
        return [x]

    monkeypatch.setattr(picture_distance, "MAX_PIXELS_AT_ONCE", 100)  # two pictures
    facts = DistanceFacts(name="toy", label="Toy", recipe={}, min_side_px=1)
    all_pairs_diversity(pictures, PictureDistance(facts, trunk))
    assert seen == [2, 2, 1] * 3


def test_one_style_has_no_pairs(distance: PictureDistance, pictures: Tensor) -> None:
    for diversity in (consecutive_diversity, all_pairs_diversity):
        with pytest.raises(UsageError, match="1 style a picture: too few"):
            diversity(pictures[:, :1], distance)
        with pytest.raises(UsageError, match=r"N, S, 3, H, W"):
            diversity(pictures[0], distance)
