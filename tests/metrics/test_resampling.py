"""Resizing against Pillow, torch, and TensorFlow's rule written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from unpaired.metrics.resampling import bicubic, resized, tensorflow_bilinear

SIZES = [(64, 224), (300, 224), (256, 299), (7, 5), (5, 5)]


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_bicubic_is_pillows(old: int, new: int) -> None:
    x = picture(old, old + 3)
    channel = Image.fromarray(x[0, 1].numpy())  # mode F: no rounding
    expected = np.asarray(channel.resize((new, new), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(resized(x, new, bicubic)[0, 1].numpy(), expected, atol=2e-3)


def test_bicubic_is_torchs_with_antialiasing() -> None:
    for old, new in SIZES:
        x = picture(old, old + 3)
        expected = interpolate(x, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
        torch.testing.assert_close(resized(x, new, bicubic), expected, atol=2e-2, rtol=0)


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_bilinear_is_tensorflow_1s(old: int, new: int) -> None:
    x = picture(old, old)
    found = resized(x, new, tensorflow_bilinear)[0, 0]
    for i, j in [(0, 0), (new - 1, new - 1), (new // 2, new - 2), (1, new // 3)]:
        y, u = i * old / new, j * old / new
        top, left = int(y), int(u)
        bottom, right = min(top + 1, old - 1), min(left + 1, old - 1)
        above = x[0, 0, top, left] * (1 - (u - left)) + x[0, 0, top, right] * (u - left)
        below = x[0, 0, bottom, left] * (1 - (u - left)) + x[0, 0, bottom, right] * (u - left)
        assert float(found[i, j]) == pytest.approx(float(above * (1 - (y - top)) + below * (y - top)), abs=1e-3)


def test_the_old_size_is_kept_exactly() -> None:
    x = picture(9, 9)
    for resampling in (bicubic, tensorflow_bilinear):
        torch.testing.assert_close(resized(x, 9, resampling), x)
