import itertools

import pytest
import torch

from unpaired.errors import UserError
from unpaired.metrics.kid import kernel_distance


def drawn(num: int, seed: int, shift: float = 0.0):
    return torch.randn(num, 5, generator=torch.Generator().manual_seed(seed)) + shift


def test_it_is_the_papers_formula():
    x, y = drawn(4, 0), drawn(3, 1)

    def kernel(u, v):
        return (sum(float(a) * float(b) for a, b in zip(u, v, strict=True)) / 5 + 1) ** 3

    within = [
        sum(kernel(u, v) for u, v in itertools.permutations(side, 2)) / (len(side) * (len(side) - 1)) for side in (x, y)
    ]
    across = sum(kernel(u, v) for u in x for v in y) / 12
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across, rel=1e-5)


def test_it_is_unbiased():
    """Many small samples of one distribution give 0 on average; the biased estimate would give about 3."""
    values = torch.tensor([kernel_distance(drawn(5, 2 * n), drawn(5, 2 * n + 1)) for n in range(2000)])
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
    assert values.std() / len(values) ** 0.5 < 0.1


def test_it_grows_with_the_shift():
    distances = [kernel_distance(drawn(200, 0), drawn(200, 1, shift)) for shift in (0.0, 0.5, 1.0)]
    assert distances[0] < distances[1] < distances[2]


def test_one_picture_is_too_few():
    with pytest.raises(UserError, match="1 and 3"):
        kernel_distance(drawn(1, 0), drawn(3, 1))
