"""Adaptive instance normalization (Huang & Belongie, ICCV 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.layers.adalin import Moments, instance_affine
from unpaired.layers.pending import Pending
from unpaired.layers.precision import without_autocast


def adain(x: Tensor, bias: Tensor, scale: Tensor, eps: float = 1e-5) -> Pending:
    """`x` with each channel of each sample normalized, then multiplied by `scale` and shifted by `bias`: pending.

    Shapes: x (N, C, H, W); bias and scale (N, C). Biased variance over H and W. `scale` is used as it is: no 1 + scale.
    Source: MUNIT (ECCV 2018), section 5.1: AdaIN(z, γ, β) with γ = `scale` and β = `bias`.
    """
    with without_autocast(x):
        gain, shift = instance_affine(Moments.of(x), "biased", eps)
        scale, bias = scale.to(gain.dtype), bias.to(gain.dtype)
        gain, shift = scale * gain, torch.addcmul(bias, scale, shift)
    return Pending(x, gain[:, :, None, None], shift[:, :, None, None])
