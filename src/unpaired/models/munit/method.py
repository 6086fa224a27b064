"""MUNIT's training step: which terms, from what, with which weight."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unpaired.layers.diff_augment import diff_augment
from unpaired.layers.initialization import initialize
from unpaired.layers.share import Share
from unpaired.losses.adversarial import discriminator_loss, generator_loss, mixup_discriminator_loss
from unpaired.losses.reconstruction import mean_absolute_error
from unpaired.losses.regularization import (
    contrast_distance,
    gradient_penalty,
    mode_seeking,
    style_prior_divergence,
)
from unpaired.models.base import DOMAINS, Batch, Domain, Grid, Method, other
from unpaired.models.munit.config import TERMS, MunitConfig
from unpaired.models.munit.discriminators import MunitDiscriminators
from unpaired.models.munit.networks import MunitGenerators, MunitOutputs, MunitWay
from unpaired.models.munit.sheets import sample_grids
from unpaired.schedules import value_at


class Munit(Method[MunitConfig, MunitWay]):
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
        gain, share = self.config.init_gain, Share(rng)
        initialize(self.generators, self.config.generator_init, seed=share.seed(), gain=gain)
        if self.config.center_adain:
            assert isinstance(self.generators, MunitGenerators)
            self.generators.center_adain()
        initialize(self.discriminators, self.config.discriminator_init, seed=share.seed(), gain=gain)

    def generate(
        self, generators: nn.Module, batch: Batch, share: Share, step: int, sources: Sequence[Domain] = DOMAINS
    ) -> MunitOutputs:
        """Encode, reconstruct and translate the pictures of `sources` with styles drawn from N(0, I)."""
        styles = self._draw_styles(batch, share)
        weights = self.config.weights
        with_cycle = value_at(weights.cycle, step) > 0
        more_styles = self._draw_styles(batch, share) if value_at(weights.mode_seeking, step) > 0 else None
        outputs: MunitOutputs = generators({d: batch[d] for d in sources}, styles, with_cycle, more_styles)
        return outputs

    def discriminator_terms(
        self, discriminators: nn.Module, outputs: MunitOutputs, batch: Batch, share: Share, step: int
    ) -> dict[str, Tensor]:
        """The adversarial terms of each discriminator on translations into its domain and real pictures.

        In the steps that R1 is due in, its terms too.
        """
        share, targets = share.apart("discriminator"), outputs.targets
        if self._mixup_is_on(step):
            terms = self._mixup_terms(discriminators, outputs, batch, share)
        else:
            pictures = {d: [outputs.translated(d), batch[d]] for d in targets}
            scores, kind = self._scores(discriminators, pictures, share), self.config.adversarial
            terms = {f"adversarial_{d}": discriminator_loss(kind, *scores[d]) for d in targets}
        return terms | self._r1_terms(discriminators, batch, targets, share.apart("r1"), step)

    def generator_terms(
        self, discriminators: nn.Module, outputs: MunitOutputs, batch: Batch, share: Share, step: int
    ) -> dict[str, Tensor]:
        """The adversarial, image, style and content terms of both domains, and those of the others that are on."""
        pictures = {d: [outputs.translated(d)] for d in outputs.targets}
        scores = self._scores(discriminators, pictures, share.apart("generator"))
        terms = {f"adversarial_{d}": generator_loss(self.config.adversarial, s[0]) for d, s in scores.items()}
        terms |= self._reconstruction_terms(outputs, batch)
        return terms | self._contrast_terms(outputs, batch, share, step) | self._style_terms(outputs, share, step)

    def weights(self, step: int) -> Mapping[str, float]:
        """The weight of every term at `step`. R1, which is there in some steps, stands for the steps between too."""
        by_term = {term: value_at(getattr(self.config.weights, term), step) for term in TERMS}
        by_term["r1"] *= self.config.r1_every_steps
        return {f"{term}_{d}": weight for term, weight in by_term.items() for d in DOMAINS}

    def sample_grids(self, generators: nn.Module, batch: Batch, rng: torch.Generator, num_styles: int) -> list[Grid]:
        """Random styles, example styles, and reconstruction with cycle, in both directions."""
        assert isinstance(generators, MunitGenerators)
        return sample_grids(generators, batch, rng, num_styles)

    def _reconstruction_terms(self, outputs: MunitOutputs, batch: Batch) -> dict[str, Tensor]:
        terms = {}
        for domain, way in outputs.ways.items():
            target = other(domain)
            terms[f"image_{domain}"] = mean_absolute_error(way.own, batch[domain])
            terms[f"style_{target}"] = mean_absolute_error(way.style_recon, way.prior_style)
            terms[f"content_{domain}"] = mean_absolute_error(way.content_recon, self._content_target(way.content))
            if way.cycle is not None:
                terms[f"cycle_{domain}"] = mean_absolute_error(way.cycle, batch[domain])
        return terms

    def _contrast_terms(self, outputs: MunitOutputs, batch: Batch, share: Share, step: int) -> dict[str, Tensor]:
        if value_at(self.config.weights.contrast, step) <= 0:
            return {}
        pairs = {d: (share.whole(outputs.translated(d)), share.whole(batch[d])) for d in outputs.targets}
        return {f"contrast_{d}": contrast_distance(*pair) for d, pair in pairs.items()}

    def _style_terms(self, outputs: MunitOutputs, share: Share, step: int) -> dict[str, Tensor]:
        terms = {}
        for domain, way in outputs.ways.items():
            if value_at(self.config.weights.style_prior, step) > 0:
                terms[f"style_prior_{domain}"] = style_prior_divergence(share.whole(way.style))
            if way.translated_again is not None and way.prior_style_again is not None:
                styles = way.prior_style, way.prior_style_again
                terms[f"mode_seeking_{other(domain)}"] = mode_seeking(way.translated, way.translated_again, *styles)
        return terms

    def _r1_terms(
        self, discriminators: nn.Module, batch: Batch, targets: Sequence[Domain], share: Share, step: int
    ) -> dict[str, Tensor]:
        if value_at(self.config.weights.r1, step) <= 0 or step % self.config.r1_every_steps:
            return {}
        real = {d: batch[d].detach().requires_grad_() for d in targets}
        scores = self._scores(discriminators, {d: [x] for d, x in real.items()}, share, twice=True)
        return {f"r1_{d}": gradient_penalty(scores[d][0], x) for d, x in real.items()}

    def _scores(
        self, discriminators: nn.Module, pictures: Mapping[Domain, Sequence[Tensor]], share: Share, twice: bool = False
    ) -> Mapping[Domain, Sequence[Sequence[Tensor]]]:
        """For each domain, what its discriminator says of each of its batches of `pictures`, augmented.

        `twice`: gradients of what it says may have gradients.
        """
        augment = self.config.augment
        own = {d: share.apart(d) for d in pictures}
        seen = {d: [diff_augment(x, augment, own[d]) for x in batches] for d, batches in pictures.items()}
        found: Mapping[Domain, Sequence[Sequence[Tensor]]] = discriminators(seen, twice)
        return found

    def _draw_styles(self, batch: Batch, share: Share) -> dict[Domain, Tensor]:
        """Random styles of a and b, one for each picture of the batch."""
        num, width = len(batch.x_a), self.config.generator.style_dim
        return {d: share.normal(num, width).to(batch.x_a.device) for d in DOMAINS}

    def _content_target(self, content: Tensor) -> Tensor:
        return content.detach() if self.config.detach_content_target else content

    def _mixup_is_on(self, step: int) -> bool:
        mixup = self.config.mixup
        return mixup is not None and (mixup.end_step is None or step < mixup.end_step)

    def _mixup_terms(
        self, discriminators: nn.Module, outputs: MunitOutputs, batch: Batch, share: Share
    ) -> dict[str, Tensor]:
        assert self.config.mixup is not None
        alpha = self.config.mixup.alpha
        draw = random.Random(share.seed())  # torch has no Beta sampler that takes a generator
        shares = {d: draw.betavariate(alpha, alpha) for d in DOMAINS}
        mixed = {d: [_mix(batch[d], outputs.translated(d), shares[d])] for d in outputs.targets}
        scores = self._scores(discriminators, mixed, share)
        kind = self.config.adversarial
        return {f"adversarial_{d}": mixup_discriminator_loss(kind, s[0], shares[d]) for d, s in scores.items()}


def _mix(real: Tensor, fake: Tensor, real_share: float) -> Tensor:
    return real_share * real + (1 - real_share) * fake
