"""Adaptive instance normalization (Huang & Belongie, ICCV 2017)."""

from __future__ import annotations

import torch
from torch import Tensor


def adain(x: Tensor, bias: Tensor, scale: Tensor, eps: float = 1e-5) -> Tensor:
    """`x` with each channel of each sample normalized, then multiplied by `scale` and shifted by `bias`.

    Shapes: x (N, C, H, W); bias and scale (N, C). Biased variance over H and W. `scale` is used as it is: no 1 + scale.
    Source: MUNIT (ECCV 2018), section 5.1: AdaIN(z, γ, β) with γ = `scale` and β = `bias`.
    """
    num, channels, height, width = x.shape
    one_sample = x.reshape(
        1, num * channels, height, width
    )  # batch norm over it has one statistic per sample and channel
    normalized = torch.nn.functional.batch_norm(
        one_sample, None, None, scale.reshape(-1), bias.reshape(-1), training=True, eps=eps
    )
    return normalized.view(num, channels, height, width)
