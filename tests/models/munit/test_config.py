from dataclasses import replace

import pytest
import torch
from tiny_networks import MUNIT as TINY

from unpaired.layers.share import Share
from unpaired.models.base import Batch
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MixupConfig, MunitConfig, WeightsConfig
from unpaired.models.munit.method import Munit


def can_run(config: MunitConfig, size: tuple[int, int]) -> bool:
    """Whether the networks take pictures of `size` and give back the same size."""
    method = Munit(config)
    method.initialize(torch.Generator().manual_seed(0))
    batch = Batch(torch.zeros(1, 3, *size), torch.zeros(1, 3, *size))
    try:
        outputs = method.generate(method.generators, batch, Share(torch.Generator()), 0)
        method.generator_terms(method.discriminators, outputs, batch, Share(torch.Generator()), 0)
    except (RuntimeError, ValueError):
        return False
    return outputs.ways["a"].translated.shape[-2:] == torch.Size(size)


@pytest.mark.parametrize("padding", ["reflect", "zero", "replicate"])
@pytest.mark.parametrize(("num_layers", "num_scales", "num_downsamples"), [(2, 2, 2), (4, 3, 2), (3, 1, 3), (1, 1, 1)])
def test_the_smallest_size_is_the_smallest_that_runs(padding, num_layers, num_scales, num_downsamples):
    config = MunitConfig(
        generator=GeneratorConfig(
            dim=2, mlp_dim=2, style_dim=2, num_res_blocks=1, num_downsamples=num_downsamples, padding=padding
        ),
        discriminator=DiscriminatorConfig(dim=2, num_layers=num_layers, num_scales=num_scales, padding=padding),
    )
    smallest = config.smallest_size()
    assert can_run(config, (smallest, smallest))
    below = smallest - config.size_multiple
    padding_hides_it = padding != "reflect" and below >= 16  # only reflection needs 2 pixels everywhere
    if below > 0 and not padding_hides_it:
        assert not can_run(config, (below, below))


def test_a_side_that_is_no_multiple_is_a_problem_that_names_the_nearest_sizes():
    messages = [str(problem) for problem in TINY.problems((66, 96))]
    assert len(messages) == 1
    assert "66x96" in messages[0]
    assert "64x96 or 68x96" in messages[0]


def test_the_papers_smallest_size_is_64():
    assert MunitConfig().smallest_size() == 64
    assert MunitConfig().problems((64, 64)) == []
    message = str(MunitConfig().problems((60, 62))[0])
    assert "at least 64" in message
    assert "Use 64x64;" in message


def test_steps_of_a_schedule_have_to_grow():
    config = replace(TINY, weights=WeightsConfig(cycle=((100, 1.0), (50, 0.3))))
    assert "model.weights.cycle" in str(config.problems((64, 64))[0])


def test_group_norm_needs_channels_that_divide():
    config = replace(TINY, generator=replace(TINY.generator, upsample_norm="group", dim=12))
    assert "12 channels" in str(config.problems((64, 64))[0])


def test_mixup_defaults_to_the_published_alpha():
    assert MixupConfig().alpha == 0.2


def test_a_style_prior_needs_more_than_one_picture() -> None:
    config = MunitConfig(weights=WeightsConfig(style_prior=0.1))
    assert config.batch_problems(2) == []
    assert "batch_size is 1" in str(config.batch_problems(1)[0])
    assert MunitConfig().batch_problems(1) == []
