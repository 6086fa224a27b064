"""The sum behind the distances of pictures, against loops over positions and channels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unpaired.errors import UsageError
from unpaired.metrics import picture_distance
from unpaired.metrics.picture_distance import DistanceFacts, PictureDistance

FACTS = DistanceFacts(name="toy", label="Toy", recipe={"network": "toy"}, min_side_px=4)
WEIGHTS = [torch.tensor([0.5, 2.0, 0.0]), torch.tensor([1.0, 3.0])]


class Trunk(nn.Module):
    """Two layers: the picture shifted to be positive, and a smaller one of two channels."""

    def forward(self, x: Tensor) -> list[Tensor]:
        half = nn.functional.avg_pool2d(x, 2)
        return [x + 1, torch.stack([half[:, 0] * half[:, 1], half[:, 2] ** 2], dim=1)]


@pytest.fixture(params=[None, WEIGHTS], ids=["equal weights", "weights"])
def distance(request: pytest.FixtureRequest) -> PictureDistance:
    return PictureDistance(FACTS, Trunk(), request.param)


def pictures(seed: int, num: int = 5) -> Tensor:
    return torch.rand(num, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def by_hand(x: Tensor, y: Tensor, weights: list[Tensor] | None) -> float:
    """The distance of two pictures (3, H, W), number by number."""
    total = 0.0
    for number, (one, two) in enumerate(zip(Trunk()(x[None]), Trunk()(y[None]), strict=True)):
        first, second = one[0].double().numpy(), two[0].double().numpy()
        channels, height, width = first.shape
        of_layer = []
        for i in range(height):
            for j in range(width):
                u, v = (f[:, i, j] / math.sqrt(sum(f[:, i, j] ** 2)) for f in (first, second))
                weight = np.ones(channels) if weights is None else weights[number].numpy()
                of_layer.append(sum(w * (a - b) ** 2 for w, a, b in zip(weight, u, v, strict=True)))
        total += sum(of_layer) / len(of_layer)
    return total


def test_it_is_the_formula(distance: PictureDistance) -> None:
    x, y = pictures(0), pictures(1)
    weights = None if distance._num_weights == 0 else WEIGHTS
    expected = [by_hand(one, two, weights) for one, two in zip(x, y, strict=True)]
    np.testing.assert_allclose(distance(x, y), expected, rtol=1e-5)


def test_equal_pictures_and_order(distance: PictureDistance) -> None:
    x, y = pictures(0), pictures(1)
    assert distance(x, x).abs().max() == 0
    torch.testing.assert_close(distance(x, y), distance(y, x))


def test_few_at_once_give_the_same(distance: PictureDistance, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pictures(0), pictures(1)
    whole = distance(x, y)
    monkeypatch.setattr(picture_distance, "MAX_PIXELS_AT_ONCE", 100)  # two pictures
    assert [len(part) for part in distance.parts_of(x)] == [2, 2, 1]
    torch.testing.assert_close(distance(x, y), whole)


def test_one_against_many(distance: PictureDistance) -> None:
    x, y = pictures(0), pictures(1, 1)
    found = distance.between(distance.features(x), distance.features(y))
    torch.testing.assert_close(found, distance(x, y.expand(5, -1, -1, -1)))


def test_a_position_without_features_counts_as_none() -> None:
    distance = PictureDistance(FACTS, lambda x: [torch.relu(x)])
    black, white = -torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert distance(black, black).item() == 0
    assert distance(black, white).item() == pytest.approx(1)


def test_not_trained_and_in_float32(distance: PictureDistance) -> None:
    x, y = pictures(0), pictures(1)
    assert not distance.train().training
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert distance(x.double(), y.double()).dtype == torch.float32
    assert not distance(x.requires_grad_(), y).requires_grad


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (torch.zeros(2, 3, 8, 8), torch.zeros(3, 3, 8, 8), r"\(2, 3, 8, 8\).*\(3, 3, 8, 8\)"),
        (torch.zeros(1, 3, 3, 8), torch.zeros(1, 3, 3, 8), "3x8 pixels are too small for Toy"),
        (torch.full((1, 3, 8, 8), 255.0), torch.zeros(1, 3, 8, 8), r"outside \[-1, 1\]"),
        (torch.zeros(3, 8, 8), torch.zeros(3, 8, 8), "does not hold pictures"),
    ],
)
def test_what_cannot_be_compared_is_refused(x: Tensor, y: Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PictureDistance(FACTS, Trunk())(x, y)
