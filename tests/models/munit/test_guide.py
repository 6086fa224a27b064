from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unpaired.losses.adversarial import discriminator_loss, generator_loss, mixup_discriminator_loss
from unpaired.models.base import Batch
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MixupConfig, MunitConfig
from unpaired.models.munit.guide import IGNORED_STYLE, blind_discriminator_loss, guide
from unpaired.models.munit.method import Munit

BLIND_SCORE = {"lsgan": 0.5, "nsgan": 0.0, "hinge": 0.0}
SMALL = MunitConfig(
    generator=GeneratorConfig(dim=4, mlp_dim=8, num_res_blocks=1),
    discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=2),
)


@pytest.mark.parametrize("kind", ["lsgan", "nsgan", "hinge"])
def test_the_level_of_a_discriminator_that_knows_nothing_is_its_loss(kind: str) -> None:
    config = replace(SMALL, adversarial=kind)
    scores = [torch.full((2, 1, size, size), BLIND_SCORE[kind]) for size in (8, 4)]
    assert blind_discriminator_loss(config) == pytest.approx(discriminator_loss(kind, scores, scores).item())


@pytest.mark.parametrize("kind", ["lsgan", "nsgan", "hinge"])
def test_the_level_with_mixup_is_the_mean_over_mixing_factors(kind: str) -> None:
    config = replace(SMALL, adversarial=kind, mixup=MixupConfig(alpha=0.2))
    scores = [torch.full((2, 1, size, size), BLIND_SCORE[kind]) for size in (8, 4)]
    torch.manual_seed(0)
    shares = torch.distributions.Beta(0.2, 0.2).sample((4000,))
    mean = sum(mixup_discriminator_loss(kind, scores, float(share)).item() for share in shares) / len(shares)
    assert blind_discriminator_loss(config) == pytest.approx(mean, rel=0.02)


@pytest.mark.parametrize("kind", ["lsgan", "nsgan"])
def test_the_level_of_a_generator_that_fools_half_the_time_is_its_loss(kind: str) -> None:
    scores = [torch.full((2, 1, size, size), BLIND_SCORE[kind]) for size in (8, 4)]
    [level] = guide(replace(SMALL, adversarial=kind), ("x", "y")).terms["generator/adversarial"].levels
    assert level.value == pytest.approx(generator_loss(kind, scores).item())


def test_the_level_of_ignored_styles_is_the_loss_of_always_answering_zero() -> None:
    styles = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    assert styles.abs().mean().item() == pytest.approx(IGNORED_STYLE, rel=0.01)


def test_every_grid_and_term_of_the_method_is_explained() -> None:
    method = Munit(SMALL)
    rng = torch.Generator().manual_seed(0)
    method.initialize(rng)
    batch = Batch(torch.zeros(2, 3, 32, 32), torch.zeros(2, 3, 32, 32))
    about = guide(SMALL, ("cats", "dogs"))
    with torch.no_grad():
        grids = method.sample_grids(method.generators, batch, rng, 2)
    assert {grid.name for grid in grids} == set(about.grids)
    of_discriminators = {"discriminator/adversarial", "discriminator/r1"}
    of_generators = {f"generator/{name.rpartition('_')[0]}" for name in method.weights(0)} - {"generator/r1"}
    assert of_generators | of_discriminators == set(about.terms)


def test_names_of_the_domains_are_used() -> None:
    about = guide(SMALL, ("cats", "dogs"))
    assert "cats → dogs" in about.grids["a2b_random_styles"].title
    assert "dogs → cats" in about.grids["b2a_random_styles"].title


def test_a_discriminator_that_wins_rings_the_alarm() -> None:
    [alarm] = guide(SMALL, ("a", "b")).terms["discriminator/adversarial"].alarms
    assert alarm.rings(0.01, 5000)
    assert not alarm.rings(0.8, 5000)
    assert not alarm.rings(0.01, 100)
