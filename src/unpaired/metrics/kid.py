"""Kernel Inception distance (Bińkowski et al., ICLR 2018), for the features of any network."""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.errors import UserError

MIN_PICTURES = 2


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy between two sets of features.

    `first` (N, D) and `second` (M, D) are features of pictures; the kernel is (x·y / D + 1)³, as in the paper. 0 is
    expected for two samples of one distribution, and an estimate may be negative. It is called KID only for features of
    Inception-v3: say which network they come from. Raises `UserError` for fewer than two pictures on a side.
    """
    if min(len(first), len(second)) < MIN_PICTURES:
        raise UserError(f"A kernel distance of {len(first)} and {len(second)} pictures", "It takes two of each.")
    x, y = first.double(), second.double()
    return float(_mean_of_different(_kernel(x, x)) + _mean_of_different(_kernel(y, y)) - 2 * _kernel(x, y).mean())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_of_different(kernel: Tensor) -> Tensor:
    """The mean over pairs of different pictures."""
    num = len(kernel)
    return (kernel.sum() - torch.diagonal(kernel).sum()) / (num * (num - 1))
