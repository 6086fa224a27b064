"""Terms that keep training stable or its codes in shape. None is in MUNIT's paper; each says where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_SMALLEST_VARIANCE = 1e-6
_SMALLEST_DISTANCE = 1e-5
_FAINT = 0.05  # a difference of 6 grey levels: below it the logarithmic scale of contrasts is nearly linear


def gradient_penalty(scores: Sequence[Tensor], x: Tensor) -> Tensor:
    """Half the mean squared length of the gradient of the scores with respect to the real pictures `x` (N, 3, H, W).

    R1 of Mescheder et al., ICML 2018, eq. 9, without γ. The score of a picture is the mean of each map, summed over the
    maps `scores`, as in the adversarial losses. `x` has to require gradients. The penalty can be back-propagated.
    """
    total = torch.stack([maps.float().mean(dim=(1, 2, 3)).sum() for maps in scores]).sum()
    (gradient,) = torch.autograd.grad(total, x, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean() / 2


def style_prior_divergence(codes: Tensor) -> Tensor:
    """KL(N(mean, variance) ‖ N(0, 1)) of the codes (N, D) of a batch, averaged over the dimensions. N is 2 or more.

    With the variance that divides by N its expectation is least for codes from N(0, 1) at any N: mean² + variance is
    the mean of s², and the logarithm only shifts by a constant with N.
    """
    codes = codes.float()
    variance = codes.var(dim=0, correction=0).clamp_min(_SMALLEST_VARIANCE)
    return (codes.mean(dim=0).square() + variance - variance.log() - 1).mean() / 2


def contrast_distance(translated: Tensor, real: Tensor) -> Tensor:
    """How far the local contrast of translations is from that of real pictures, both (N, 3, H, W), as distributions.

    The 1-Wasserstein distance between log(1 + |d| / 0.05), d the differences of neighbouring pixels, of all channels,
    across and down, of one batch and of the other: their mean distance in order of size. It needs no pair of pictures
    that belong together. 0 where both have as many equal neighbours, faint and strong ones. Surfaces that shimmer add
    most to it; on the logarithmic scale that eyes have too, how strong an outline is adds little. Real pictures get no
    gradient. Our own; the paper has no such term.
    """
    return (_contrast(translated) - _contrast(real.detach())).abs().mean()


def mode_seeking(first: Tensor, second: Tensor, first_style: Tensor, second_style: Tensor) -> Tensor:
    """How little two translations of the same pictures differ for how much their styles do, averaged over the pictures.

    Mean |s − s'| / mean |x − x'| for translations (N, 3, H, W) with styles (N, D): the inverse of what MSGAN raises
    (Mao et al., CVPR 2019, eq. 3). The styles get no gradient.
    """
    between_styles = (first_style - second_style).float().detach().abs().mean(dim=1)
    between_pictures = (first - second).float().abs().mean(dim=(1, 2, 3))
    return (between_styles / (between_pictures + _SMALLEST_DISTANCE)).mean()


def _contrast(x: Tensor) -> Tensor:
    """All differences of neighbouring pixels, on a logarithmic scale, in order of size."""
    x = x.float()
    across, down = x[:, :, :, 1:] - x[:, :, :, :-1], x[:, :, 1:] - x[:, :, :-1]
    return _in_order(torch.cat([across.flatten(), down.flatten()]).abs()).div(_FAINT).log1p()


def _in_order(values: Tensor) -> Tensor:
    """`values` (n,) from the smallest to the largest. On a CPU numpy finds the order several times as fast as torch."""
    if values.device.type != "cpu":
        return values.sort().values
    if not values.requires_grad:
        return torch.from_numpy(np.sort(values.numpy()))
    return values.gather(0, torch.from_numpy(np.argsort(values.detach().numpy())))
