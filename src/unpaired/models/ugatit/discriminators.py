"""U-GAT-IT's discriminators: a global and a local one for each domain. Layer by layer as the official codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from unpaired.layers.at_once import Divided, Part
from unpaired.layers.cam import CamAttention
from unpaired.layers.padding import same
from unpaired.layers.pending import Pending
from unpaired.layers.spectral import SpectralConv2d
from unpaired.models.base import Domain
from unpaired.models.ugatit.config import UgatitConfig

LEAK = 0.2
"""Slope below zero of the discriminators' leaky ReLU."""

Scores = dict[str, Tensor]
"""Raw scores of one discriminator: the map as "" and, with attention, the logits of its classifiers as "_cam"."""


class Discriminator(nn.Module):
    """A patch discriminator with attention and spectral norm. More layers see more of the picture at once."""

    def __init__(self, config: UgatitConfig, num_layers: int) -> None:
        super().__init__()
        tensorflow = config.layers == "tensorflow"
        stride_1 = (1, 2, 1, 2) if tensorflow else same(1)  # the original keeps the size, the port loses a pixel
        widths = [3, *(config.discriminator.dim * 2**level for level in range(num_layers - 1))]
        self.convs = nn.ModuleList(
            SpectralConv2d(before, after, 4, stride=2, padding=same(1)) for before, after in pairwise(widths[:-1])
        )
        self.convs.append(SpectralConv2d(widths[-2], widths[-1], 4, padding=stride_1))
        raw = config.discriminator.cam_weight == "raw"
        self.attention = (
            CamAttention(widths[-1], shared=tensorflow, spectral=True, raw_attention=raw)
            if config.discriminator.cam
            else None
        )
        self.head = SpectralConv2d(widths[-1], 1, 4, padding=stride_1, bias=tensorflow)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of its scores."""
        return ("",) if self.attention is None else ("", "_cam")

    def forward(self, x: Tensor) -> Scores:
        """(N, 3, H, W) → scores (N, 1, h, w) and, with attention, logits (N, 2). Large means a real picture."""
        pending = Pending(x)
        for conv in self.convs:
            pending = conv(pending, slope=LEAK)
        scores: Scores = {}
        if self.attention is not None:
            attended, scores["_cam"] = self.attention(pending.value())
            pending = Pending(attended, slope=LEAK)
        return {"": self.head(pending).value(), **scores}


class UgatitDiscriminators(Divided):
    """All four discriminators. One `forward` scores everything that an update needs."""

    def __init__(self, config: UgatitConfig) -> None:
        super().__init__()
        num_global, num_local = config.discriminator.num_layers_global, config.discriminator.num_layers_local
        self.global_a = Discriminator(config, num_global)
        self.local_a = Discriminator(config, num_local)
        self.global_b = Discriminator(config, num_global)
        self.local_b = Discriminator(config, num_local)

    def of(self, domain: Domain) -> dict[str, Discriminator]:
        """The discriminators of `domain` by their reach."""
        if domain == "a":
            return {"global": self.global_a, "local": self.local_a}
        return {"global": self.global_b, "local": self.local_b}

    def forward(self, pictures: Mapping[Domain, Tensor]) -> dict[str, Tensor]:
        """For the `pictures` (N, 3, H, W) of each domain the scores, as `global_a`, `global_cam_a`, `local_a`, …"""
        found = self.each({d: Part(partial(_all_scores, self.of(d).values()), (x,)) for d, x in pictures.items()})
        names = [f"{reach}{kind}" for reach, network in self.of("a").items() for kind in network.kinds]
        return {
            f"{name}_{domain}": scores
            for domain, of_domain in found.items()
            for name, scores in zip(names, of_domain, strict=True)
        }


def _all_scores(networks: Iterable[Discriminator], x: Tensor) -> tuple[Tensor, ...]:
    """Every kind of score of each network, in turn."""
    return tuple(scores for network in networks for scores in network(x).values())
