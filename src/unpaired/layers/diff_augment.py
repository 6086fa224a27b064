"""Augmentations that gradients pass through, for every picture that a discriminator sees.

DiffAugment (Zhao et al., NeurIPS 2020). A discriminator that sees few pictures learns them by heart; one that sees
all pictures, real and translated, changed in the same random ways cannot. The generator does not learn the changes,
because its own pictures are changed too before they are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from unpaired.layers.share import Share

Augment = Callable[[Tensor, Share], Tensor]

MAX_SHIFT = 1 / 8  # of the side
CUTOUT_SIDE = 1 / 2


def diff_augment(x: Tensor, names: Sequence[str], share: Share) -> Tensor:
    """The pictures `x` (N, 3, H, W) in [-1, 1], each changed at random by the augmentations `names`.

    Colours may leave [-1, 1]. Differentiable with respect to `x`.
    """
    for name in names:
        x = AUGMENTATIONS[name](x, share)
    return x


def jitter_color(x: Tensor, share: Share) -> Tensor:
    """`x` with brightness moved by up to ±0.5, saturation scaled by 0 to 2 and contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = (share.uniform(len(x)).to(x.device).view(-1, 1, 1, 1) for _ in range(3))
    x = x + (brightness - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * (saturation * 2)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * (contrast + 0.5)


def shift(x: Tensor, share: Share) -> Tensor:
    """`x` moved by up to an eighth of its sides; what comes in from outside repeats the border.

    The paper fills with grey. The border of a drawing on paper is paper, and grey bars would be all that many of
    them have in common.
    """
    height, width = x.shape[2:]
    reach_y, reach_x = round(height * MAX_SHIFT), round(width * MAX_SHIFT)
    wide = pad(x, (reach_x, reach_x, reach_y, reach_y), mode="replicate")
    top = share.integers(2 * reach_y + 1, len(x))[:, None] + torch.arange(height)
    left = share.integers(2 * reach_x + 1, len(x))[:, None] + torch.arange(width)
    rows = top.to(x.device)[:, None, :, None].expand(-1, x.shape[1], -1, wide.shape[3])
    columns = left.to(x.device)[:, None, None, :].expand(-1, x.shape[1], height, -1)
    return wide.gather(2, rows).gather(3, columns)


def cut_out(x: Tensor, share: Share) -> Tensor:
    """`x` with a square of half its sides, anywhere, set to 0 (grey)."""
    rows, columns = (_is_cut(side, len(x), share).to(x.device) for side in x.shape[2:])
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], 0, x)


def _is_cut(side: int, num: int, share: Share) -> Tensor:
    """Which of `side` pixels lie in a random stretch of half their number, which may reach over the ends: (N, side)."""
    length = round(side * CUTOUT_SIDE)
    start = share.integers(side + 1, num)[:, None] - length // 2
    place = torch.arange(side)
    return (place >= start) & (place < start + length)


AUGMENTATIONS: dict[str, Augment] = {"color": jitter_color, "translation": shift, "cutout": cut_out}
