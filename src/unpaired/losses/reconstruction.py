"""Reconstruction losses."""

from __future__ import annotations

from torch import Tensor


def mean_absolute_error(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Mean of |reconstruction − target| over all elements, in float32. MUNIT eqs. 1-3 (images, contents, styles)."""
    # the gradient of `mean` would be written out in contiguous order, and all that is added to it with it: several
    # times as slow where maps are in channels-last order
    distance: Tensor = (reconstruction.float() - target.float()).abs().sum() / target.numel()
    return distance
