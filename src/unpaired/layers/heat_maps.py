"""Heat-maps for the eye: what a translator looks at, in colours over the picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

PICTURE_SHARE = 0.45
"""How much of the picture is seen through the colours."""

# Dark blue, blue, cyan, yellow, red, dark red: least to most, readable without the picture too.
_COLOURS = ((0.0, 0.0, 0.5), (0.0, 0.2, 1.0), (0.0, 0.9, 0.9), (1.0, 0.9, 0.0), (1.0, 0.1, 0.0), (0.5, 0.0, 0.0))


def stretched(heat: Tensor) -> Tensor:
    """`heat` (N, 1, h, w) stretched to [0, 1] picture by picture; all 0 where a picture's map is constant."""
    low = heat.amin(dim=(1, 2, 3), keepdim=True)
    spread = heat.amax(dim=(1, 2, 3), keepdim=True) - low
    return (heat - low) / spread.clamp_min(torch.finfo(heat.dtype).tiny)


def coloured(heat: Tensor) -> Tensor:
    """`heat` (N, 1, h, w) in [0, 1] as colours (N, 3, h, w) in [-1, 1], dark blue to dark red."""
    colours = torch.tensor(_COLOURS, device=heat.device, dtype=heat.dtype)  # (colours, 3)
    position = heat[:, 0].clamp(0, 1) * (len(colours) - 1)  # (N, h, w)
    below = position.floor().clamp(max=len(colours) - 2)
    share = (position - below)[..., None]
    index = below.long()
    mixed = torch.lerp(colours[index], colours[index + 1], share)  # (N, h, w, 3)
    return mixed.movedim(-1, 1) * 2 - 1


def overlaid(pictures: Tensor, heat: Tensor) -> Tensor:
    """`pictures` (N, 3, H, W) in [-1, 1] with the colours of `heat` (N, 1, h, w), 0 or more, over them."""
    size = (int(pictures.shape[2]), int(pictures.shape[3]))
    smooth = interpolate(stretched(heat.float()), size=size, mode="bilinear", align_corners=False)
    return torch.lerp(coloured(smooth), pictures.float(), PICTURE_SHARE)
