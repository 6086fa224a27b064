"""Domain-invariant perceptual distance while training: does a translation show what its source shows?"""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.losses.config import PerceptualConfig
from unpaired.losses.perceptual import domain_invariant_distance
from unpaired.models.base import DOMAINS, Batch, Outputs, Way, other
from unpaired.pretrained.vgg16 import Vgg16Features
from unpaired.schedules import value_at
from unpaired.training.terms import Terms


class PerceptualDistance:
    """The terms `perceptual_a` and `perceptual_b`: pictures translated INTO that domain against their sources."""

    def __init__(self, config: PerceptualConfig, network: Vgg16Features) -> None:
        self.config = config
        self.network = network

    def weights(self, step: int) -> dict[str, float]:
        """The weight of both terms at `step`."""
        return {f"perceptual_{domain}": value_at(self.config.weight, step) for domain in DOMAINS}

    def terms(self, outputs: Outputs[Way], batch: Batch, step: int) -> Terms:
        """Both terms while their weight is positive."""
        if not value_at(self.config.weight, step) > 0:
            return Terms()
        targets = outputs.targets
        return Terms({f"perceptual_{d}": self._distance(outputs.translated(d), batch[other(d)]) for d in targets})

    def _distance(self, translated: Tensor, source: Tensor) -> Tensor:
        layer = self.config.layer
        with torch.no_grad():
            target = self.network(source, layers=(layer,))[layer]
        return domain_invariant_distance(self.network(translated, layers=(layer,))[layer], target)
