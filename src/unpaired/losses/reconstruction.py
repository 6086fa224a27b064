"""Reconstruction losses."""

from __future__ import annotations

from torch import Tensor


def mean_absolute_error(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Mean of |reconstruction − target| over all elements, in float32. MUNIT eqs. 1-3 (images, contents, styles)."""
    return (reconstruction.float() - target.float()).abs().mean()
