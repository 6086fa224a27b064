"""Whether a translation of an edge map has its edges where they were drawn."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unpaired.data.prepare import edge_map
from unpaired.errors import UsageError
from unpaired.metrics.checks import check_pairs

CANNY_LOW, CANNY_HIGH = 20.0, 60.0
DARKEST_NO_EDGE = 128

Mask = NDArray[np.bool_]


def edge_agreement(pictures: Tensor, edges: Tensor, *, tolerance_px: int = 1) -> Tensor:
    """The F1 (N,) of the edges of `pictures` against `edges` (black on white), both (N, 3, H, W) in [-1, 1].

    Edges of pictures are found as `unpaired data edges` finds them: a 3x3 Gaussian blur, Canny (20, 60) on each
    channel, an edge of any channel counts. Precision is the share of found edge pixels with a given one at most
    `tolerance_px` away (also diagonally), recall the share of given ones with a found one; F1 is their harmonic mean.
    A pixel is a given edge when it is darker than mid-grey. Both without edges: 1. Raises `UsageError`.
    """
    check_pairs(pictures, edges)
    if tolerance_px < 0:
        raise UsageError(f"tolerance_px={tolerance_px}: is not allowed", "It takes a number of pixels, 0 or more.")
    values = [
        _f1(found_edges(picture), given_edges(drawn), tolerance_px)
        for picture, drawn in zip(_bytes(pictures), _bytes(edges), strict=True)
    ]
    return torch.tensor(values)


def found_edges(picture: NDArray[np.uint8]) -> Mask:
    """Where the RGB `picture` (H, W, 3) has edges: (H, W)."""
    mask: Mask = edge_map(picture, CANNY_LOW, CANNY_HIGH) == 0
    return mask


def given_edges(drawn: NDArray[np.uint8]) -> Mask:
    """Where the edge map `drawn` (H, W, 3), black on white, has edges: (H, W)."""
    mask: Mask = drawn.mean(axis=2) < DARKEST_NO_EDGE
    return mask


def _f1(found: Mask, given: Mask, tolerance_px: int) -> float:
    if not found.any() or not given.any():
        return float(found.any() == given.any())
    precision = (found & _widened(given, tolerance_px)).sum() / found.sum()
    recall = (given & _widened(found, tolerance_px)).sum() / given.sum()
    both = precision + recall
    return float(2 * precision * recall / both) if both else 0.0


def _widened(mask: Mask, by_px: int) -> Mask:
    side = 2 * by_px + 1
    widened: Mask = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return widened


def _bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """(N, 3, H, W) in [-1, 1] → (N, H, W, 3), rounded as pictures are when they are saved."""
    scaled = pictures.detach().float().cpu().clamp(-1, 1).add(1).mul(127.5).round()
    array: NDArray[np.uint8] = scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return array
