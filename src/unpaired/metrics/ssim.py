"""Structural similarity of two pictures (Wang et al., IEEE Transactions on Image Processing 13(4), 2004)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from unpaired.errors import UsageError
from unpaired.metrics.checks import check_pairs

WINDOW_PX = 11
SIGMA_PX = 1.5
K1, K2 = 0.01, 0.03
_RANGE = 2.0  # from -1 to 1


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """The structural similarity (N,) of `x` and `y` (N, 3, H, W) in [-1, 1]: 1 for equal pictures, -1 at worst.

    Equation 13 with a Gaussian window of 11 px and sigma 1.5 px, K1 = 0.01, K2 = 0.03, averaged over windows that lie
    inside the picture and over the three channels (the paper took grey pictures). Raises `UsageError`, also for
    pictures smaller than the window.
    """
    check_pairs(x, y)
    if min(x.shape[2:]) < WINDOW_PX:
        height, width = x.shape[2:]
        raise UsageError(
            f"SSIM of pictures of {height}x{width} pixels",
            f"Its window takes {WINDOW_PX} pixels: both sides need as many or more.",
        )
    # (N·3, 1, H, W) from 0: the comparison of luminance takes black as 0
    u, v = ((pictures.double() + 1).flatten(0, 1)[:, None] for pictures in (x, y))
    mean_u, mean_v = _blurred(u), _blurred(v)
    variance_u = _blurred(u * u) - mean_u**2
    variance_v = _blurred(v * v) - mean_v**2
    covariance = _blurred(u * v) - mean_u * mean_v
    c1, c2 = (K1 * _RANGE) ** 2, (K2 * _RANGE) ** 2
    luminance = (2 * mean_u * mean_v + c1) / (mean_u**2 + mean_v**2 + c1)
    structure = (2 * covariance + c2) / (variance_u + variance_v + c2)
    of_channels = (luminance * structure).mean(dim=(1, 2, 3))
    return of_channels.reshape(len(x), 3).mean(dim=1).float()


def _blurred(x: Tensor) -> Tensor:
    """The mean of each window of `x` (M, 1, H, W), weighted by the Gaussian: (M, 1, H - 10, W - 10)."""
    places = torch.arange(WINDOW_PX, dtype=x.dtype, device=x.device) - WINDOW_PX // 2
    line = torch.exp(-(places**2) / (2 * SIGMA_PX**2))
    line = line / line.sum()
    return conv2d(conv2d(x, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))
