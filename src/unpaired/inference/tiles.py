"""Large pictures in bounded memory: overlapping tiles that share one set of normalization statistics.

A tile is translated with statistics that stand for the whole picture, so neighbours agree, and they are blended over
a part of their overlap that a tile's own border hardly reaches. With the exact statistics of the picture the result is
that of one pass; these are not to be had in bounded memory at a bearable price (each norm's depend on those before it,
so each would take a pass of its own). They are estimated from

- a reduced copy of the whole picture: covers everything, but details are smaller than in the tiles;
- patches of the picture, and the same patches reduced: what the reduction did to the statistics.

The closer a picture is to the size that fits into one pass, the closer is the estimate to the exact statistics.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unpaired.inference.statistics import FixedStatistics, JointStatistics, Moments
from unpaired.models.base import Domain, TranslationNetworks

_OVERLAP = 32  # of two tiles, in units of the networks' size multiple: about their receptive field
_UNSEEN = 8  # outermost part of a tile that is thrown away, in the same units
_EPS = 1e-5  # of the norms: a variance below it is nothing
_MAX_RATIO = 9.0  # of the variances of whole and reduced patches: beyond, they tell about too few pixels


def translate_in_tiles(
    networks: TranslationNetworks, x: Tensor, to: Domain, style: Tensor | None, *, max_pixels: int, device: torch.device
) -> Tensor:
    """The picture `x` (1, 3, H, W) translated, with sides that are multiples of the networks' size multiple.

    `x` and the result stay where `x` is; tiles of at most `max_pixels` pixels go to `device` one at a time.
    """
    assert len(x) == 1, x.shape
    multiple = networks.size_multiple
    tile_side = max(4 * multiple, math.isqrt(max_pixels) // multiple * multiple)
    overlap = min(_OVERLAP * multiple, tile_side // 2 // multiple * multiple)
    unseen = overlap * _UNSEEN // _OVERLAP
    statistics = estimate_statistics(networks, x, to, style, max_pixels=max_pixels, device=device)
    result = torch.zeros_like(x)
    for top, bottom in spans(x.shape[2], tile_side, overlap):
        for left, right in spans(x.shape[3], tile_side, overlap):
            with FixedStatistics(statistics):
                tile = networks.translate(x[:, :, top:bottom, left:right].to(device), to, style).to(x.device)
            rows = blend_weights(top, bottom, x.shape[2], overlap, unseen).to(x.device)
            columns = blend_weights(left, right, x.shape[3], overlap, unseen).to(x.device)
            result[:, :, top:bottom, left:right] += tile * rows[:, None] * columns
    return result


def spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Starts and ends of tiles of `tile` pixels that cover `length` pixels, each overlapping the next by `overlap`.

    The last tile may be shorter, but is longer than the overlap.
    """
    if length <= tile:
        return [(0, length)]
    starts = range(0, length - overlap, tile - overlap)
    return [(start, min(start + tile, length)) for start in starts]


def blend_weights(start: int, end: int, length: int, overlap: int, unseen: int) -> Tensor:
    """The weight of each pixel of a tile from `start` to `end` along one side of `length` pixels; tiles' sum to 1.

    Where it overlaps another tile the weight is 0 in the outermost `unseen` pixels and then rises to 1.
    """
    position = torch.arange(end - start, dtype=torch.float32) + 0.5
    ramp = overlap - 2 * unseen
    weights = torch.ones(end - start)
    if start > 0:
        weights *= ((position - unseen) / ramp).clamp(0, 1)
    if end < length:
        weights *= ((end - start - position - unseen) / ramp).clamp(0, 1)
    return weights


def estimate_statistics(
    networks: TranslationNetworks, x: Tensor, to: Domain, style: Tensor | None, *, max_pixels: int, device: torch.device
) -> list[Moments]:
    """An estimate of every norm's statistics in one pass over `x` (1, 3, H, W): see the top of this file."""

    def measure(pictures: Tensor) -> list[Moments]:
        styles = None if style is None else style.expand(len(pictures), -1)
        joint = JointStatistics(len(pictures))
        with joint:
            networks.translate(pictures.to(device), to, styles)
        return joint.measured

    scale = min(1.0, math.sqrt(max_pixels / (x.shape[2] * x.shape[3])))
    multiple = networks.size_multiple
    patches = sample_patches(x, max_pixels, multiple)
    whole = measure(_reduced(x, scale, multiple))
    full_patches, reduced_patches = measure(patches), measure(_reduced(patches, scale, multiple))
    return [_corrected(*moments) for moments in zip(whole, full_patches, reduced_patches, strict=True)]


def _corrected(whole: Moments, full_patches: Moments, reduced_patches: Moments) -> Moments:
    ratio = (full_patches.variance + _EPS) / (reduced_patches.variance + _EPS)
    return Moments(
        whole.mean + full_patches.mean - reduced_patches.mean,
        whole.variance * ratio.clamp(1 / _MAX_RATIO, _MAX_RATIO),
    )


def sample_patches(x: Tensor, max_pixels: int, multiple: int) -> Tensor:
    """Square patches of `x` (1, 3, H, W), spread evenly, of at most `max_pixels` pixels in all: (N, 3, side, side)."""
    height, width = x.shape[2:]
    fitting = min(_OVERLAP * multiple, math.isqrt(max_pixels) // 2, height, width)
    side = max(2 * multiple, fitting // multiple * multiple)
    num_patches = max(1, max_pixels // side**2)
    num_rows = min(max(1, round(math.sqrt(num_patches * height / width))), num_patches)
    tops = _spread(height - side, num_rows)
    lefts = _spread(width - side, max(1, num_patches // num_rows))
    return torch.cat([x[:, :, top : top + side, left : left + side] for top in tops for left in lefts])


def _spread(last: int, count: int) -> list[int]:
    """`count` whole numbers from 0 to `last`, evenly spread; its middle when there is only one."""
    return [last * index // (count - 1) for index in range(count)] if count > 1 else [last // 2]


def _reduced(pictures: Tensor, scale: float, multiple: int) -> Tensor:
    size = [max(2 * multiple, round(side * scale / multiple) * multiple) for side in pictures.shape[2:]]
    return interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
