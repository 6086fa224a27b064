"""Pictures of noise: a step takes as long with them as with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unpaired.config import RunConfig

if TYPE_CHECKING:
    from torch import Tensor


def noise(config: RunConfig) -> tuple[Tensor, Tensor]:
    """A batch of each domain as `config` trains them, on its device: (N, 3, H, W) in [-1, 1]."""
    import torch

    rng = torch.Generator().manual_seed(0)
    shape = (config.batch_size, 3, *config.data.size)
    x_a, x_b = (torch.rand(shape, generator=rng).mul(2).sub(1).to(config.device) for _ in "ab")
    return x_a, x_b
