"""Resizing of pictures as metrics define it: the same numbers on every device, whatever the version of a library.

How a picture is resized changes KID and FID (Parmar et al., "On Aliased Resizing", CVPR 2022), so it belongs to a
metric's recipe. Each way is a matrix that rows and columns are multiplied with.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Resampling = Callable[[int, int], Tensor]
"""Weights (num_out, num_in): how much of each old pixel is in each new one; every row adds up to 1."""

CUBIC_SHARPNESS = -0.5  # Keys' parameter a, as in Pillow and in resizing with antialiasing in torch


def resized(x: Tensor, size_px: int, resampling: Resampling) -> Tensor:
    """`x` (N, C, H, W) resized to (N, C, size_px, size_px) float32; the sides are not kept in proportion."""
    rows, columns = (resampling(side, size_px).to(x.device) for side in x.shape[2:])
    return rows @ x.float() @ columns.T


@cache
def bicubic(num_in: int, num_out: int) -> Tensor:
    """Weights of Keys' cubic filter as Pillow's BICUBIC uses it: widened when a picture shrinks, so nothing aliases."""
    step = num_in / num_out
    centres = (torch.arange(num_out, dtype=torch.float64) + 0.5) * step
    pixels = torch.arange(num_in, dtype=torch.float64) + 0.5
    weights = _cubic((pixels - centres[:, None]) / max(step, 1.0))
    return (weights / weights.sum(dim=1, keepdim=True)).float()


@cache
def tensorflow_bilinear(num_in: int, num_out: int) -> Tensor:
    """Weights of TensorFlow 1's bilinear resizing: no antialiasing, and pixel i of n lies at i / n, not in its middle.

    Inception-v3 was put into the graph that FID and KID are defined by with this in front.
    """
    places = torch.arange(num_out, dtype=torch.float64) * (num_in / num_out)
    left = places.long()
    share = (places - left)[:, None]
    pixels = torch.arange(num_in)
    right = (left + 1).clamp(max=num_in - 1)
    return ((pixels == left[:, None]) * (1 - share) + (pixels == right[:, None]) * share).float()


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel ("Cubic convolution interpolation", 1981, equation 15)."""
    a, x = CUBIC_SHARPNESS, x.abs()
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
