"""MUNIT's domain-invariant perceptual loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import instance_norm, mse_loss


def domain_invariant_distance(features_translation: Tensor, features_source: Tensor) -> Tensor:
    """Mean squared difference of instance-normalised features, in float32.

    Both are (N, C, h, w): what a VGG16 makes of a translation and of the picture that it was translated from. Without
    their means and variances, which carry most of what tells domains apart, what is left is mostly what is shown where
    (Huang et al., ECCV 2018, section 5.1). The normalisation has no affine part and eps 1e-5. Of a map of one pixel
    nothing would be left, so h·w must be larger than 1. Gradients flow into both arguments: detach the source.
    """
    return mse_loss(instance_norm(features_translation.float()), instance_norm(features_source.float()))
