from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_networks import UGATIT as TINY
from tiny_networks import num_parameters

from unpaired.models.ugatit.config import DiscriminatorConfig, GeneratorConfig, UgatitConfig
from unpaired.models.ugatit.discriminators import Discriminator
from unpaired.models.ugatit.method import Ugatit


def test_discriminators_have_as_many_parameters_as_the_official_ones():
    with torch.device("meta"):
        discriminators = Ugatit(UgatitConfig(generator=GeneratorConfig(light=True))).discriminators
    assert num_parameters(discriminators.global_a) == num_parameters(discriminators.global_b) == 53_130_176
    assert num_parameters(discriminators.local_a) == 3_290_560
    assert num_parameters(discriminators) == 112_841_472


@pytest.mark.parametrize(("layers", "expected"), [("pytorch", [6, 30]), ("tensorflow", [8, 32])])
def test_score_maps_of_both_codes(layers, expected):
    config = UgatitConfig(layers=layers, discriminator=DiscriminatorConfig(dim=2))
    found = [Discriminator(config, num)(torch.zeros(1, 3, 256, 256))[""].shape for num in (7, 5)]
    assert [tuple(shape) for shape in found] == [(1, 1, side, side) for side in expected]


def test_raw_and_normalized_attention_of_a_discriminator_differ():
    x = torch.rand(1, 3, 32, 32)
    scores = []
    for cam_weight in ("raw", "normalized"):
        torch.manual_seed(0)
        config = replace(TINY, discriminator=replace(TINY.discriminator, cam_weight=cam_weight))
        scores.append(Discriminator(config, 4).eval()(x))
    assert torch.equal(scores[0]["_cam"], scores[1]["_cam"])
    assert not torch.allclose(scores[0][""], scores[1][""])


def test_a_discriminator_without_attention_has_one_score():
    config = replace(TINY, discriminator=replace(TINY.discriminator, cam=False))
    assert set(Discriminator(config, 4)(torch.zeros(1, 3, 32, 32))) == {""}
