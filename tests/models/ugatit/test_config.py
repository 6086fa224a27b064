from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unpaired.layers.share import Share
from unpaired.models.base import Batch
from unpaired.models.ugatit.config import DiscriminatorConfig, GeneratorConfig, UgatitConfig, WeightsConfig
from unpaired.models.ugatit.method import Ugatit

LIGHT = UgatitConfig(generator=GeneratorConfig(light=True))
FULL = UgatitConfig()


def messages(config: UgatitConfig, size: tuple[int, int] = (256, 256)) -> str:
    return " | ".join(problem.message for problem in config.problems(size))


@pytest.mark.parametrize("layers", ["pytorch", "tensorflow"])
@pytest.mark.parametrize("num_layers", [3, 4, 5, 6])
def test_the_smallest_size_is_the_smallest_that_runs(num_layers, layers):
    config = UgatitConfig(
        generator=GeneratorConfig(light=True, dim=2, num_res_blocks=1),
        discriminator=DiscriminatorConfig(dim=2, num_layers_global=num_layers, num_layers_local=3),
        layers=layers,
    )
    smallest = config.smallest_size()
    assert messages(config, (smallest, smallest)) == ""
    assert "at least" in messages(config, (smallest - 4, smallest))
    method = Ugatit(config)
    method.initialize(torch.Generator())

    def step(side: int) -> None:
        batch = Batch(*(torch.rand(1, 3, side, side) for _ in "ab"))
        outputs = method.generate(method.generators, batch, Share(torch.Generator()), 0)
        method.discriminator_terms(method.discriminators, outputs.detached(), batch, Share(torch.Generator()), 0)

    step(smallest)
    with pytest.raises((RuntimeError, ValueError)):
        step(smallest - 4)


def test_the_papers_smallest_size():
    assert LIGHT.smallest_size() == 96


def test_the_full_model_takes_the_size_of_its_training():
    tied = FULL.at_size((128, 96))
    assert tied.fixed_size == (128, 96)
    assert tied.at_size((64, 64)) == tied
    assert messages(tied, (128, 96)) == ""
    assert "data.size: 256x256, but model.generator.size is 128x96" in messages(tied)


def test_the_light_model_takes_none():
    assert LIGHT.at_size((128, 128)) == LIGHT
    assert LIGHT.fixed_size is None
    wrong = replace(LIGHT, generator=replace(LIGHT.generator, size=(64, 64)))
    assert "the light model is not tied to 64x64" in messages(wrong)


def test_all_problems_are_told_together():
    config = replace(
        LIGHT,
        generator=replace(LIGHT.generator, rho_init=0.95, rho_max=0.9),
        weights=WeightsConfig(cam=((5, 1.0), (5, 2.0))),
    )
    told = messages(config, (50, 256))
    for part in ("model.generator.rho_init: 0.95 is more than", "model.weights.cam", "data.size"):
        assert part in told
