"""SSIM window by window, as the paper writes it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.metrics.ssim import ssim


def drawn(seed: int, *size: int) -> Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """The mean over all windows of equation 13 for one channel (H, W), in [0, 255] as in the paper."""
    window = np.array([[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in range(-5, 6)] for i in range(-5, 6)])
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            u, v = (p[top : top + 11, left : left + 11] for p in (x, y))
            mean_u, mean_v = (window * u).sum(), (window * v).sum()
            var_u, var_v = (window * (u - mean_u) ** 2).sum(), (window * (v - mean_v) ** 2).sum()
            covariance = (window * (u - mean_u) * (v - mean_v)).sum()
            above = (2 * mean_u * mean_v + c1) * (2 * covariance + c2)
            values.append(above / ((mean_u**2 + mean_v**2 + c1) * (var_u + var_v + c2)))
    return float(np.mean(values))


def test_it_is_the_papers_formula() -> None:
    """On pixels in [0, 255]: the constants go with the range, and means of [-1, 1] would not be those of pixels."""
    x, y = drawn(0, 14, 16), drawn(1, 14, 16)
    y = (0.7 * x + 0.3 * y).clamp(-1, 1)
    pixels = ((p.double().numpy() + 1) * 127.5 for p in (x, y))
    expected = [np.mean([by_hand(one[c], two[c]) for c in range(3)]) for one, two in zip(*pixels, strict=True)]
    np.testing.assert_allclose(ssim(x, y), expected, rtol=1e-5)


def test_equal_pictures_have_one_and_order_does_not_matter() -> None:
    x, y = drawn(0, 11, 20), drawn(1, 11, 20)
    torch.testing.assert_close(ssim(x, x), torch.ones(2))
    torch.testing.assert_close(ssim(x, y), ssim(y, x))
    assert ssim(x, -x).max() < 0.1


def test_pictures_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(UsageError, match="10x20 pixels"):
        ssim(drawn(0, 10, 20), drawn(1, 10, 20))
