from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_networks import UGATIT as SMALL

from unpaired.layers.share import Share
from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.attention import domain_attention_loss
from unpaired.models.base import Batch
from unpaired.models.ugatit.config import WeightsConfig
from unpaired.models.ugatit.guide import guide
from unpaired.models.ugatit.method import Ugatit

BLIND_SCORE = {"lsgan": 0.5, "nsgan": 0.0, "hinge": 0.0}
NAMES = ("selfies", "cartoons")


@pytest.mark.parametrize("kind", ["lsgan", "nsgan", "hinge"])
def test_the_levels_are_the_losses_of_knowing_nothing(kind):
    terms = guide(replace(SMALL, adversarial=kind), NAMES).terms
    scores = [torch.full((2, 1, 5, 5), BLIND_SCORE[kind])]
    level = terms["discriminator/adversarial_global"].levels[0].value
    assert level == pytest.approx(discriminator_loss(kind, scores, scores).item())
    if kind != "hinge":
        level = terms["generator/adversarial_local_cam"].levels[0].value
        assert level == pytest.approx(generator_loss(kind, scores).item())
    level = terms["generator/cam"].levels[0].value
    assert level == pytest.approx(domain_attention_loss(source=torch.zeros(1, 2), own=torch.zeros(1, 2)).item())


@pytest.mark.parametrize("cam", [True, False])
def test_terms_and_grids_are_those_of_a_step(cam):
    config = replace(
        SMALL, generator=replace(SMALL.generator, cam=cam), discriminator=replace(SMALL.discriminator, cam=cam)
    )
    method = Ugatit(config)
    method.initialize(torch.Generator())
    batch = Batch(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    outputs = method.generate(method.generators, batch, Share(torch.Generator()), 0)
    d_terms = method.discriminator_terms(method.discriminators, outputs.detached(), batch, Share(torch.Generator()), 0)
    g_terms = method.generator_terms(method.discriminators, outputs, batch, Share(torch.Generator()), 0)
    names = {f"discriminator/{name}" for name in d_terms} | {f"generator/{name}" for name in g_terms}
    found = guide(config, NAMES)
    assert set(found.terms) == {name.rsplit("_", 1)[0] for name in names}
    with torch.no_grad():
        grids = method.sample_grids(method.generators, batch, torch.Generator(), 1)
    assert set(found.grids) == {grid.name for grid in grids}


def test_the_total_at_the_start_is_explained():
    """1000 · 2 · 2 ln 2 is 2,773: what the printed loss of the official codes starts near."""
    assert "2,773" in guide(SMALL, NAMES).expect[0]
    assert "2,773" not in " ".join(guide(replace(SMALL, weights=WeightsConfig(cam=0.0)), NAMES).expect)
