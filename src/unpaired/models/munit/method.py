"""MUNIT's training step: which terms, from what, with which weight."""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unpaired.layers.initialization import initialize
from unpaired.losses.adversarial import discriminator_loss, generator_loss, mixup_discriminator_loss
from unpaired.losses.reconstruction import mean_absolute_error
from unpaired.models.base import DOMAINS, Batch, Grid, Method
from unpaired.models.munit.config import TERMS, MunitConfig
from unpaired.models.munit.networks import MunitDiscriminators, MunitGenerators, MunitOutputs
from unpaired.models.munit.sheets import sample_grids
from unpaired.schedules import value_at


class Munit(Method[MunitConfig, MunitOutputs]):
    """Multimodal unsupervised image-to-image translation (Huang et al., ECCV 2018)."""

    def __init__(self, config: MunitConfig) -> None:
        super().__init__(config)
        self.generators = self.build_generators(config)
        self.discriminators = MunitDiscriminators(config)

    @staticmethod
    def build_generators(config: MunitConfig) -> MunitGenerators:
        """The two auto-encoders."""
        return MunitGenerators(config)

    def initialize(self, rng: torch.Generator) -> None:
        """Draw all weights: by default kaiming for the generators and N(0, 0.02) for the discriminators."""
        gain = self.config.init_gain
        initialize(self.generators, self.config.generator_init, seed=_draw_seed(rng), gain=gain)
        initialize(self.discriminators, self.config.discriminator_init, seed=_draw_seed(rng), gain=gain)

    def generate(self, generators: nn.Module, batch: Batch, rng: torch.Generator, step: int) -> MunitOutputs:
        """Encode, reconstruct and translate `batch` with styles drawn from N(0, I)."""
        shape = (len(batch.x_a), self.config.generator.style_dim)
        style_a, style_b = (torch.randn(shape, generator=rng).to(batch.x_a.device) for _ in DOMAINS)
        with_cycle = value_at(self.config.weights.cycle, step) > 0
        outputs: MunitOutputs = generators(batch.x_a, batch.x_b, style_a, style_b, with_cycle)
        return outputs

    def discriminator_terms(
        self, discriminators: nn.Module, outputs: MunitOutputs, batch: Batch, rng: torch.Generator, step: int
    ) -> dict[str, Tensor]:
        """`adversarial_a` and `adversarial_b`: each discriminator on translations into its domain and real pictures."""
        if self._mixup_is_on(step):
            return self._mixup_terms(discriminators, outputs, batch, rng)
        scores = discriminators({d: [outputs.translated(d), batch[d]] for d in DOMAINS})
        kind = self.config.adversarial
        return {f"adversarial_{d}": discriminator_loss(kind, fake=scores[d][0], real=scores[d][1]) for d in DOMAINS}

    def generator_terms(self, discriminators: nn.Module, outputs: MunitOutputs, batch: Batch) -> dict[str, Tensor]:
        """The adversarial, image, style, content and (when its weight is positive) cycle terms of both domains."""
        scores = discriminators({d: [outputs.translated(d)] for d in DOMAINS})
        terms = {f"adversarial_{d}": generator_loss(self.config.adversarial, scores[d][0]) for d in DOMAINS}
        terms |= self._reconstruction_terms(outputs, batch)
        return terms | self._cycle_terms(outputs, batch)

    def weights(self, step: int) -> Mapping[str, float]:
        """The weight of every term at `step`."""
        return {f"{term}_{d}": value_at(getattr(self.config.weights, term), step) for term in TERMS for d in DOMAINS}

    def sample_grids(self, generators: nn.Module, batch: Batch, rng: torch.Generator, num_styles: int) -> list[Grid]:
        """Random styles, example styles, and reconstruction with cycle, in both directions."""
        assert isinstance(generators, MunitGenerators)
        return sample_grids(generators, batch, rng, num_styles)

    def _reconstruction_terms(self, outputs: MunitOutputs, batch: Batch) -> dict[str, Tensor]:
        pairs = {
            "image_a": (outputs.x_aa, batch.x_a),
            "image_b": (outputs.x_bb, batch.x_b),
            "style_a": (outputs.style_a_recon, outputs.prior_style_a),
            "style_b": (outputs.style_b_recon, outputs.prior_style_b),
            "content_a": (outputs.content_a_recon, self._content_target(outputs.content_a)),
            "content_b": (outputs.content_b_recon, self._content_target(outputs.content_b)),
        }
        return {name: mean_absolute_error(*pair) for name, pair in pairs.items()}

    def _cycle_terms(self, outputs: MunitOutputs, batch: Batch) -> dict[str, Tensor]:
        if outputs.x_aba is None or outputs.x_bab is None:
            return {}
        return {
            "cycle_a": mean_absolute_error(outputs.x_aba, batch.x_a),
            "cycle_b": mean_absolute_error(outputs.x_bab, batch.x_b),
        }

    def _content_target(self, content: Tensor) -> Tensor:
        return content.detach() if self.config.detach_content_target else content

    def _mixup_is_on(self, step: int) -> bool:
        mixup = self.config.mixup
        return mixup is not None and (mixup.end_step is None or step < mixup.end_step)

    def _mixup_terms(
        self, discriminators: nn.Module, outputs: MunitOutputs, batch: Batch, rng: torch.Generator
    ) -> dict[str, Tensor]:
        assert self.config.mixup is not None
        alpha = self.config.mixup.alpha
        draw = random.Random(_draw_seed(rng))  # torch has no Beta sampler that takes a generator
        shares = {d: draw.betavariate(alpha, alpha) for d in DOMAINS}
        scores = discriminators({d: [_mix(batch[d], outputs.translated(d), shares[d])] for d in DOMAINS})
        kind = self.config.adversarial
        return {f"adversarial_{d}": mixup_discriminator_loss(kind, scores[d][0], shares[d]) for d in DOMAINS}


def _mix(real: Tensor, fake: Tensor, real_share: float) -> Tensor:
    return real_share * real + (1 - real_share) * fake


def _draw_seed(rng: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=rng))
