"""Faces cut out of pictures, all of one size, with a gradient.

Every output pixel is a weighted mean of a row and a column of input pixels: antialiased bilinear resampling, written as
two small matrix products. They run the same on every device (gradients of grid sampling differ from run to run on
CUDA), and work for boxes at any place that need not be whole pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from unpaired.layers.precision import without_autocast

MIN_SIDE_PX = 1.0


def crop_faces(x: Tensor, boxes: Tensor, size_px: int, margin: float) -> Tensor:
    """The faces in `x` (N, 3, H, W), one a picture, as (N, 3, size_px, size_px) in float32, also under autocast.

    `boxes` (N, 4) are left, top, right, bottom in pixels of `x`. Each is made a square about its centre, with the
    longer side grown by the part `margin` (0.25 gives 1.25 sides). Beyond the picture its border goes on.
    """
    assert boxes.shape == (len(x), 4), (x.shape, boxes.shape)
    centres, sides = squares(boxes.float(), margin)
    with without_autocast(x):
        rows = resampling(centres[:, 1], sides, size_px, x.shape[2])  # (N, size_px, H)
        columns = resampling(centres[:, 0], sides, size_px, x.shape[3])  # (N, size_px, W)
        return torch.einsum("nih,nchw,njw->ncij", rows, x.float(), columns)


def squares(boxes: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """The centres (N, 2), x and y, and the sides (N,) of the squares about `boxes` (N, 4), in pixels."""
    low, high = boxes[:, :2], boxes[:, 2:]
    sides = (high - low).amax(dim=1).clamp(min=MIN_SIDE_PX) * (1 + margin)
    return (low + high) / 2, sides


def resampling(centres: Tensor, sides: Tensor, num_out: int, num_in: int) -> Tensor:
    """The weights (N, num_out, num_in) with which input pixels along one axis make output pixels.

    A triangle as wide as two output pixels, or two input pixels when these are larger, as in Pillow and in torch's
    antialiased resize. Output pixels beyond the border look at the border.
    """
    steps = torch.arange(num_out, device=centres.device) + 0.5
    pixels = torch.arange(num_in, device=centres.device) + 0.5
    scales = (sides / num_out)[:, None]  # input pixels an output pixel
    places = ((centres - sides / 2)[:, None] + steps * scales).clamp(0.5, num_in - 0.5)  # (N, num_out)
    weights = relu(1 - (pixels - places[..., None]).abs() / scales.clamp(min=1)[..., None])
    return weights / weights.sum(dim=2, keepdim=True)
