"""Kernel Inception distance (Bińkowski et al., "Demystifying MMD GANs", ICLR 2018), for the features of any network.

All of these numbers have been published as "KID"; they differ in what they average over and in their "±":

- `kernel_distance`: the unbiased estimate from all pictures. `kernel_distance_estimate` adds an interval of 95 %.
- `kernel_distance_subsets`: mean and standard deviation over random subsets (the paper, torch-fidelity, clean-fid).
- `kernel_distance_blocks`: mean over small blocks and its standard error (TF-GAN).
- `mean_kernel_distance`: the second last, averaged with the distance to the *source* domain (U-GAT-IT's code).

None of them is scaled. Papers print them times 100 or times 1000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unpaired.errors import UserError
from unpaired.metrics.bootstrap import Estimate, Values
from unpaired.metrics.checks import check_features

WHAT = "A kernel distance"
MIN_PICTURES = 2
MIN_PICTURES_OF_INTERVAL = 3
NORMAL_QUANTILE = 1.959964  # 95 % of a normal distribution lie within so many standard deviations
UGATIT_BLOCK_SIZE = 10
UGATIT_ALPHA = 0.02


@dataclass(frozen=True)
class MeanStd:
    """Mean and standard deviation over subsets. The deviation falls with `subset_size`: it is no error of the mean."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.std:.4f} (standard deviation)"


@dataclass(frozen=True)
class BlockEstimate:
    """Mean over blocks, and the standard error of that mean (NaN for a single block)."""

    value: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ± {self.standard_error:.4f} (standard error)"


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy between two sets of features.

    `first` (N, D) and `second` (M, D) are features of pictures; the kernel is (x·y / D + 1)³, as in the paper. 0 is
    expected for two samples of one distribution, and an estimate may be negative. It is called KID only for features of
    Inception-v3: say which network they come from. Raises `UserError` for fewer than two pictures on a side.
    """
    check_features(WHAT, first, second, fewest=MIN_PICTURES)
    x, y = first.double(), second.double()
    return float(_mean_of_different(_kernel(x, x)) + _mean_of_different(_kernel(y, y)) - 2 * _kernel(x, y).mean())


def kernel_distance_estimate(fake: Tensor, real: Tensor) -> Estimate:
    """`kernel_distance` of `fake` (N, D) and `real` (M, D), with the interval that holds it with 95 %.

    The standard error is the jackknife's, over the pictures of both sides (Arvesen, "Jackknifing U-statistics", 1969);
    no random numbers are drawn. A bootstrap would draw pictures twice, and the kernel of a picture with itself, the
    largest of all, would bias it. For two samples of one distribution the interval is too wide rather than too narrow.
    Raises `UserError` for fewer than three pictures on a side.
    """
    value, without_fake, without_real = _leave_one_out(fake, real)
    error = NORMAL_QUANTILE * math.sqrt(_jackknife_variance(without_fake) + _jackknife_variance(without_real))
    return Estimate(value, value - error, value + error)


def kernel_distance_per_picture(fake: Tensor, real: Tensor) -> Values:
    """What each picture of `fake` (N, D) contributes: N numbers, whose mean is `kernel_distance(fake, real)`.

    They are the jackknife's pseudo-values. Two models' numbers for the same inputs and the same `real` (M, D) can be
    compared picture by picture; the real pictures then count as given, not as a sample. Raises `UserError` for fewer
    than three pictures on a side.
    """
    value, without_fake, _ = _leave_one_out(fake, real)
    num = len(without_fake)
    return (num * value - (num - 1) * without_fake).numpy()


def kernel_distance_subsets(
    fake: Tensor, real: Tensor, *, num_subsets: int = 100, subset_size: int = 1000, seed: int
) -> MeanStd:
    """Mean and standard deviation of `kernel_distance` over random subsets, drawn as torch-fidelity draws them.

    Each subset is `subset_size` different pictures of `fake` (N, D) and as many of `real` (M, D). Raises `UserError`
    when a side has fewer.
    """
    check_features(WHAT, fake, real, fewest=MIN_PICTURES)
    fewest = min(len(fake), len(real))
    if not MIN_PICTURES <= subset_size <= fewest:
        raise UserError(
            f"Subsets of {subset_size:,} pictures cannot be drawn from {len(fake):,} and {len(real):,}",
            f"Give a subset size of {MIN_PICTURES} to {fewest:,}, or more pictures.",
        )
    draws = np.random.RandomState(seed)  # the old generator: torch-fidelity's, for the same subsets
    values = []
    for _ in range(num_subsets):
        rows, columns = (draws.choice(len(side), subset_size, replace=False) for side in (fake, real))
        values.append(kernel_distance(fake[torch.from_numpy(rows)], real[torch.from_numpy(columns)]))
    return MeanStd(float(np.mean(values)), float(np.std(values)))


def kernel_distance_blocks(real: Tensor, fake: Tensor, *, max_block_size: int = UGATIT_BLOCK_SIZE) -> BlockEstimate:
    """Mean of `kernel_distance` over blocks of at most `max_block_size` pictures, and its standard error.

    TF-GAN's `kernel_classifier_distance_and_std_from_activations`. Each side, `real` (M, D) and `fake` (N, D), is cut
    in its order into as many blocks as the larger one needs, so the order matters: do not sort by what pictures show.
    U-GAT-IT's code took blocks of 10. Raises `UserError` when a block of the smaller side has fewer than two pictures.
    """
    check_features(WHAT, real, fake, fewest=MIN_PICTURES)
    num_blocks = math.ceil(max(len(real), len(fake)) / max_block_size)
    if min(len(real), len(fake)) < MIN_PICTURES * num_blocks:
        raise UserError(
            f"{len(real):,} and {len(fake):,} pictures cannot be cut into {num_blocks} blocks of {max_block_size}",
            "It takes two of each side in a block: give sides of similar length, or larger blocks.",
        )
    pairs = zip(_blocks(real, num_blocks), _blocks(fake, num_blocks), strict=True)
    values = np.array([kernel_distance(*pair) for pair in pairs])
    error = values.std(ddof=1) / math.sqrt(num_blocks) if num_blocks > 1 else math.nan
    return BlockEstimate(float(values.mean()), float(error))


def mean_kernel_distance(fake: Tensor, target: Tensor, source: Tensor, *, alpha: float | None) -> BlockEstimate:
    """The "mean KID" of U-GAT-IT's authors, which counts nearness to the *source* pictures as good, too.

    From `taki0112/GAN_Metrics-Tensorflow`: with `alpha=None`, as until August 2019, (target + source) / 2; after it
    (alpha · target + (1 - alpha) · source) / 2 with alpha 0.02 (`UGATIT_ALPHA`). `target` and `source` stand for
    `kernel_distance_blocks` in blocks of 10 between `fake` (N, D) and those pictures (M, D). Standard errors are mixed
    in the same way, as there. It is only for comparing with published tables: an unchanged source is nearly perfect by
    it. Raises `UserError` as `kernel_distance_blocks` does.
    """
    weights = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    parts = [kernel_distance_blocks(real, fake) for real in (target, source)]
    return BlockEstimate(
        sum(weight * part.value for weight, part in zip(weights, parts, strict=True)) / 2,
        sum(weight * part.standard_error for weight, part in zip(weights, parts, strict=True)) / 2,
    )


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_of_different(kernel: Tensor) -> Tensor:
    """The mean over pairs of different pictures."""
    num = len(kernel)
    return (kernel.sum() - torch.diagonal(kernel).sum()) / (num * (num - 1))


def _leave_one_out(fake: Tensor, real: Tensor) -> tuple[float, Tensor, Tensor]:
    """The distance, and what it is without each picture of `fake` (N,) and without each of `real` (M,)."""
    check_features(WHAT, fake, real, fewest=MIN_PICTURES_OF_INTERVAL)
    x, y = fake.double(), real.double()
    among_x, among_y, across = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within_x, within_y = _mean_of_different(among_x), _mean_of_different(among_y)
    without_x = _means_without_one(among_x) + within_y - 2 * _column_means_without_one(across.T)
    without_y = within_x + _means_without_one(among_y) - 2 * _column_means_without_one(across)
    return float(within_x + within_y - 2 * across.mean()), without_x, without_y


def _means_without_one(kernel: Tensor) -> Tensor:
    """The mean over pairs of different pictures when one is left out: (N,) for a kernel (N, N)."""
    num = len(kernel)
    partners = kernel.sum(dim=1) - torch.diagonal(kernel)
    return (partners.sum() - 2 * partners) / ((num - 1) * (num - 2))


def _column_means_without_one(kernel: Tensor) -> Tensor:
    """The mean of `kernel` (N, M) when one of its columns is left out: (M,)."""
    num_rows, num_columns = kernel.shape
    return (kernel.sum() - kernel.sum(dim=0)) / (num_rows * (num_columns - 1))


def _jackknife_variance(without_one: Tensor) -> float:
    num = len(without_one)
    return float((num - 1) / num * (without_one - without_one.mean()).square().sum())


def _blocks(features: Tensor, num_blocks: int) -> list[Tensor]:
    """`features` in `num_blocks` parts in their order; those that are one longer come last."""
    shorter, num_longer = divmod(len(features), num_blocks)
    sizes = [shorter] * (num_blocks - num_longer) + [shorter + 1] * num_longer
    return list(torch.split(features, sizes))
