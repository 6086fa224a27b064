"""MUNIT's two multi-scale discriminators. Layer by layer as the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from unpaired.layers.at_once import Divided, Part
from unpaired.layers.convs import ConvBlock
from unpaired.layers.pending import Pending
from unpaired.models.base import Domain
from unpaired.models.munit.config import DiscriminatorConfig, MunitConfig


class MultiScaleDiscriminator(nn.Module):
    """The same patch discriminator, with its own weights, on the picture at several scales."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_patch_discriminator(config) for _ in range(config.num_scales))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → one map of raw scores (N, 1, h, w) per scale, the finest first."""
        scores = []
        for index, scale in enumerate(self.scales):
            if index:
                x = avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            scores.append(scale(x))
        return scores


class PatchDiscriminator(nn.Sequential):
    """Strided convolutions, then one score for each place."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → raw scores (N, 1, h, w)."""
        *blocks, head = self
        pending = Pending(x)
        for block in blocks:
            pending = block(pending)
        out: Tensor = head(pending.value())
        return out


def _patch_discriminator(config: DiscriminatorConfig) -> PatchDiscriminator:
    channels = config.dim
    first_norm = "spectral" if config.norm == "spectral" else "none"
    block = partial(ConvBlock, pad=config.padding, activation=config.activation)
    layers: list[nn.Module] = [block(3, channels, 4, 2, 1, norm=first_norm)]
    for _ in range(config.num_layers - 1):
        layers.append(block(channels, channels * 2, 4, 2, 1, norm=config.norm))
        channels *= 2
    return PatchDiscriminator(*layers, nn.Conv2d(channels, 1, 1))


class MunitDiscriminators(Divided):
    """Both discriminators. One `forward` scores everything that an update needs."""

    def __init__(self, config: MunitConfig) -> None:
        super().__init__()
        self.mixes_samples = config.discriminator.norm == "batch"
        self.a = MultiScaleDiscriminator(config.discriminator)
        self.b = MultiScaleDiscriminator(config.discriminator)

    def forward(
        self, pictures: Mapping[Domain, Sequence[Tensor]], twice: bool = False
    ) -> dict[Domain, list[list[Tensor]]]:
        """For each domain in `pictures` the scores, as `MultiScaleDiscriminator` gives them, of each of its batches.

        `twice`: gradients of these may have gradients.
        """
        networks: dict[Domain, MultiScaleDiscriminator] = {"a": self.a, "b": self.b}
        parts = {d: Part(partial(self._scores, networks[d]), tuple(batches)) for d, batches in pictures.items()}
        return {d: _by_batch(scores, len(pictures[d])) for d, scores in self.each(parts, twice=twice).items()}

    def _scores(self, network: MultiScaleDiscriminator, *batches: Tensor) -> tuple[Tensor, ...]:
        """Those of each scale of each batch. In one pass, where samples do not mix."""
        if self.mixes_samples:
            return tuple(scores for x in batches for scores in network(x))
        counts = [len(x) for x in batches]
        by_scale = [torch.split(scores, counts) for scores in network(torch.cat(batches))]
        return tuple(scores for batch in zip(*by_scale, strict=True) for scores in batch)


def _by_batch(scores: Sequence[Tensor], num_batches: int) -> list[list[Tensor]]:
    """The scores of all scales of one batch after the other, as a list for each batch."""
    num_scales = len(scores) // num_batches
    return [list(scores[start : start + num_scales]) for start in range(0, len(scores), num_scales)]
