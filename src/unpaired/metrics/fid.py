"""Fréchet Inception distance (Heusel et al., "GANs trained by a two time-scale update rule", NeurIPS 2017)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unpaired.metrics.checks import check_features

MIN_PICTURES = 2


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """The squared Fréchet distance of the Gaussians that have the means and covariances of two sets of features.

    For `first` (N, D) and `second` (M, D): |m₁ - m₂|² + tr(S₁ + S₂ - 2 (S₁S₂)^½), equation 6 of the paper, in float64.
    It is biased upwards, the more the fewer pictures, and means little when there are fewer of them than features D;
    compare only numbers from equally many pictures. It is called FID only for features of Inception-v3. Raises
    `UserError` for fewer than two pictures on a side.
    """
    check_features("A Fréchet distance", first, second, fewest=MIN_PICTURES)
    x, y = first.double(), second.double()
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    root_x, root_y = _covariance_root(x - mean_x), _covariance_root(y - mean_y)
    # With S₁ = AᵀA and S₂ = BᵀB the eigenvalues of S₁S₂ are the squared singular values of ABᵀ. A square root of S₁S₂
    # itself loses half of the digits when S is singular, which it is for fewer pictures than features.
    overlap = torch.linalg.svdvals(root_x @ root_y.T).sum()
    return float((mean_x - mean_y).square().sum() + root_x.square().sum() + root_y.square().sum() - 2 * overlap)


def _covariance_root(centred: Tensor) -> Tensor:
    """A matrix A (min(N, D), D) with AᵀA the unbiased covariance of `centred` (N, D)."""
    scaled = centred / math.sqrt(len(centred) - 1)
    if len(scaled) <= scaled.shape[1]:
        return scaled
    root: Tensor = torch.linalg.qr(scaled, mode="r")[1]
    return root
