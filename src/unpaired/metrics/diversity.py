"""How different the answers to one input are. Say it only beside a number for quality: noise is diverse too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations, pairwise

import torch
from torch import Tensor

from unpaired.metrics.checks import check_styles
from unpaired.metrics.distances import PictureDistance


def consecutive_diversity(pictures: Tensor, distance: PictureDistance) -> Tensor:
    """For each input the mean distance (N,) of its styles 1 and 2, 2 and 3, …: S − 1 pairs of `pictures`.

    `pictures` are (N, S, 3, H, W) in [-1, 1]. Of 100 inputs with 20 styles, the mean is the diversity of BicycleGAN's
    and MUNIT's papers (Zhu et al., NIPS 2017; Huang et al., ECCV 2018, section 5.2). Raises `UsageError`.
    """
    return _mean_of_pairs(pictures, distance, pairwise)


def all_pairs_diversity(pictures: Tensor, distance: PictureDistance) -> Tensor:
    """For each input the mean distance (N,) of all pairs of its styles: S · (S − 1) / 2 pairs of `pictures`.

    `pictures` are (N, S, 3, H, W) in [-1, 1]. StarGAN v2 (Choi et al., CVPR 2020) takes 10 styles: 45 pairs. It has
    the same expectation as `consecutive_diversity`, with less chance in it. Raises `UsageError`.
    """
    return _mean_of_pairs(pictures, distance, lambda styles: combinations(styles, 2))


@torch.no_grad()
def _mean_of_pairs(
    pictures: Tensor, distance: PictureDistance, pairs_of: Callable[[range], Iterable[tuple[int, int]]]
) -> Tensor:
    """The mean distance (N,) of the pairs of styles that `pairs_of` chooses; features are computed once a picture."""
    check_styles(pictures, num_needed=2)
    pairs = list(pairs_of(range(pictures.shape[1])))
    return torch.stack([_mean_distance(styles, distance, pairs) for styles in pictures])


def _mean_distance(styles: Tensor, distance: PictureDistance, pairs: list[tuple[int, int]]) -> Tensor:
    parts = [distance.features(part) for part in distance.parts_of(styles)]
    features = [torch.cat(layer) for layer in zip(*parts, strict=True)]
    values = [distance.between([f[i : i + 1] for f in features], [f[j : j + 1] for f in features]) for i, j in pairs]
    return torch.cat(values).mean().cpu()
