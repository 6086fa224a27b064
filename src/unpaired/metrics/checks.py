"""What is wrong with the pictures or features that a caller wants measured, said so that the caller can mend it."""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.errors import UsageError, UserError
from unpaired.inference.checks import check_pictures


def check_pairs(x: Tensor, y: Tensor) -> None:
    """Raise `UsageError` unless `x` and `y` are both (N, 3, H, W) in [-1, 1], of one shape."""
    check_pictures(x)
    check_pictures(y)
    if x.shape != y.shape:
        raise UsageError(
            f"pictures of shape {tuple(x.shape)} cannot be compared with pictures of shape {tuple(y.shape)}",
            "Both sides take as many pictures, of one size.",
        )


def check_styles(pictures: Tensor, num_needed: int = 1) -> None:
    """Raise `UsageError` unless `pictures` are (N, S, 3, H, W) in [-1, 1], with `num_needed` styles S or more."""
    if pictures.ndim != 5:
        raise UsageError(
            f"a tensor of shape {tuple(pictures.shape)} does not hold several styles a picture",
            "The shape has to be (N, S, 3, H, W): for one style a picture add x[:, None].",
        )
    check_pictures(pictures.flatten(0, 1))
    if pictures.shape[1] < num_needed:
        raise UsageError(f"{pictures.shape[1]} style a picture: too few", f"It takes {num_needed} or more.")


def check_styles_of(pictures: Tensor, truth: Tensor) -> None:
    """Raise `UsageError` unless `pictures` (N, S, 3, H, W) are styles of pictures of the shape of `truth`."""
    check_styles(pictures)
    check_pairs(pictures[:, 0], truth)


def check_probabilities(probabilities: Tensor) -> None:
    """Raise `UsageError` unless `probabilities` are (N, S, C), not negative, with a sum of 1 over the C classes."""
    shape = tuple(probabilities.shape)
    if len(shape) != 3 or 0 in shape:
        raise UsageError(f"probabilities of shape {shape} are not (inputs, styles, classes)", "Reshape them.")
    sums = probabilities.double().sum(dim=2)
    if not (probabilities.amin() >= 0 and torch.allclose(sums, torch.ones_like(sums), atol=1e-3, rtol=0)):
        raise UsageError(
            f"probabilities from {probabilities.amin():g} to {probabilities.amax():g}, with sums from {sums.amin():g} "
            f"to {sums.amax():g}",
            "They have to be 0 or more and have the sum 1: apply softmax to logits.",
        )


def check_features(what: str, first: Tensor, second: Tensor, *, fewest: int) -> None:
    """Raise unless `first` and `second` are finite features (N, D) and (M, D) of one network, `fewest` or more of each.

    `what` they are for is named. A `UserError` for too few pictures, else a `UsageError`.
    """
    shapes = tuple(first.shape), tuple(second.shape)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise UsageError(
            f"{what} of tensors of the shapes {shapes[0]} and {shapes[1]}",
            "Both take features (number of pictures, number of features) of one network: see features_of.",
        )
    if min(len(first), len(second)) < fewest:
        raise UserError(f"{what} of {len(first):,} and {len(second):,} pictures", f"It takes {fewest} of each or more.")
    if not (first.isfinite().all() and second.isfinite().all()):
        raise UsageError(f"{what}: features that are not finite", "Look for pictures with NaN among those measured.")
