"""U-GAT-IT's training step: which terms, from what, with which weight."""
# ruff: noqa: ARG002  the signatures are those of every method

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unpaired.layers.adalin import FoldedNorm
from unpaired.layers.initialization import initialize
from unpaired.layers.share import Share
from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.attention import domain_attention_loss
from unpaired.losses.reconstruction import mean_absolute_error
from unpaired.models.base import DOMAINS, Batch, Domain, Grid, Method, other
from unpaired.models.ugatit.config import UgatitConfig
from unpaired.models.ugatit.discriminators import UgatitDiscriminators
from unpaired.models.ugatit.networks import UgatitGenerators, UgatitOutputs, UgatitWay
from unpaired.models.ugatit.sheets import sample_grids
from unpaired.schedules import value_at

ADVERSARIAL_TERMS = tuple(f"adversarial_{reach}{cam}" for reach in ("global", "local") for cam in ("", "_cam"))


class Ugatit(Method[UgatitConfig, UgatitWay]):
    """Unsupervised generative attentional networks with adaptive layer-instance normalization (Kim et al., 2020)."""

    def __init__(self, config: UgatitConfig) -> None:
        super().__init__(config)
        self.generators = self.build_generators(config)
        self.discriminators = UgatitDiscriminators(config)

    @staticmethod
    def build_generators(config: UgatitConfig) -> UgatitGenerators:
        """The two translators."""
        return UgatitGenerators(config)

    def initialize(self, rng: torch.Generator) -> None:
        """Draw all weights: by default N(0, 0.02), biases 0."""
        share = Share(rng)
        for network in (self.generators, self.discriminators):
            initialize(network, self.config.initialization, seed=share.seed())

    def generate(
        self, generators: nn.Module, batch: Batch, share: Share, step: int, sources: Sequence[Domain] = DOMAINS
    ) -> UgatitOutputs:
        """Translate the pictures of `sources`; close cycles and translate into the own domain where a term needs it."""
        weights = self.weights(step)
        with_cycle = weights["cycle_a"] > 0
        with_identity = weights["identity_a"] > 0 or weights["cam_a"] > 0
        outputs: UgatitOutputs = generators({d: batch[d] for d in sources}, with_cycle, with_identity)
        return outputs

    def discriminator_terms(
        self, discriminators: nn.Module, outputs: UgatitOutputs, batch: Batch, share: Share, step: int
    ) -> dict[str, Tensor]:
        """`adversarial_{global,local}{,_cam}_{a,b}`: translations into a domain against its real pictures.

        Each discriminator sees both in one call: no layer mixes pictures.
        """
        scores = discriminators({d: torch.cat([outputs.translated(d), batch[d]]) for d in outputs.targets})
        kind = self.config.adversarial
        return {
            f"adversarial_{name}": discriminator_loss(kind, *([half] for half in both.chunk(2)))
            for name, both in scores.items()
        }

    def generator_terms(
        self,
        discriminators: nn.Module,
        outputs: UgatitOutputs,
        batch: Batch,
        share: Share,
        step: int,
    ) -> dict[str, Tensor]:
        """The adversarial terms of the translations into each domain, and the cycle, identity and attention terms."""
        scores = discriminators({d: outputs.translated(d) for d in outputs.targets})
        kind = self.config.adversarial
        terms = {f"adversarial_{name}": generator_loss(kind, [found]) for name, found in scores.items()}
        return terms | _reconstruction_terms(outputs, batch) | _attention_terms(outputs)

    def weights(self, step: int) -> Mapping[str, float]:
        """The weight of every term at `step`."""
        weights = self.config.weights
        by_term = {term: value_at(weights.adversarial, step) for term in ADVERSARIAL_TERMS}
        by_term |= {term: value_at(getattr(weights, term), step) for term in ("cycle", "identity", "cam")}
        return {f"{term}_{d}": weight for term, weight in by_term.items() for d in DOMAINS}

    @torch.no_grad()
    def constrain(self) -> None:
        """Bring every ρ back into its range after a generator update."""
        for module in self.generators.modules():
            if isinstance(module, FoldedNorm):
                module.clip_rho()

    def sample_grids(self, generators: nn.Module, batch: Batch, rng: torch.Generator, num_styles: int) -> list[Grid]:
        """Attention, translation, cycle and identity in both directions. There are no styles to choose."""
        assert isinstance(generators, UgatitGenerators)
        return sample_grids(generators, batch)


def _reconstruction_terms(outputs: UgatitOutputs, batch: Batch) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    for domain, way in outputs.ways.items():
        made = {"cycle": way.cycle, "identity": way.own}
        found = {name: mean_absolute_error(x, batch[domain]) for name, x in made.items() if x is not None}
        terms |= {f"{name}_{domain}": term for name, term in found.items()}
    return terms


def _attention_terms(outputs: UgatitOutputs) -> dict[str, Tensor]:
    """For the translator into each domain, as far as it is in `outputs`: it has seen pictures of its own domain too."""
    if any(way.own_logits is None for way in outputs.ways.values()):
        return {}
    terms = {}
    for domain in DOMAINS:
        own, source = outputs.ways.get(domain), outputs.ways.get(other(domain))
        terms[f"cam_{domain}"] = domain_attention_loss(
            source=source.logits if source is not None else None, own=own.own_logits if own is not None else None
        )
    return terms
