"""How much arithmetic is counted, against known counts and against what torch counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from benchmarks.speed.counts import Work, needed_macs, reference_macs, translation_macs
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed import counts
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig, WeightsConfig
from unpaired.models.ugatit import config as ugatit
from unpaired.models.ugatit.config import UgatitConfig
from unpaired.presets import PRESETS

MUNIT = MunitConfig(
    generator=GeneratorConfig(dim=4, mlp_dim=8, style_dim=3, num_res_blocks=2),
    discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=2),
)
SIZE = 32


def macs_of(network: nn.Module, *inputs: torch.Tensor) -> int:
    """What torch counts for a forward pass, of layers as they are written."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs)
    return counter.get_total_flops() // 2


def halving(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 4, stride=2, padding=1)


class TestMunit:
    def test_the_default_networks_at_64_px_need_the_known_numbers(self) -> None:
        config = PRESETS["munit"]().model
        assert reference_macs(config, 64, 1) == pytest.approx(70e9, rel=0.01)
        assert counts._munit_step(config, 64, plain=True) == pytest.approx(60e9, rel=0.01)
        assert needed_macs(config, 64, 1) == pytest.approx(47e9, rel=0.01)

    def test_at_256_px_the_reference_takes_over_two_tera_flops(self) -> None:
        assert 2 * reference_macs(PRESETS["munit"]().model, 256, 1) == pytest.approx(2.2e12, rel=0.02)

    def test_encoders_and_discriminators_count_as_torch_counts_their_layers(self) -> None:
        """Layers as the paper writes them: the networks themselves may compute them otherwise."""
        generator, x = MUNIT.generator, torch.zeros(1, 3, SIZE, SIZE)
        stem, half, quarter = nn.Conv2d(3, 4, 7, padding=3), halving(4, 8), halving(8, 16)
        content = nn.Sequential(stem, half, quarter, *(nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)))
        assert counts._content_encoder(generator, SIZE).forward == macs_of(content, x)
        pooled = nn.Sequential(halving(16, 16), halving(16, 16), nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 3, 1))
        style = nn.Sequential(stem, half, quarter, *pooled)
        assert counts._style_encoder(generator, SIZE).forward == macs_of(style, x)
        patches = nn.Sequential(halving(3, 4), halving(4, 8), nn.Conv2d(8, 1, 1))
        both = macs_of(patches, x) + macs_of(patches, torch.zeros(1, 3, SIZE // 2, SIZE // 2))
        assert counts._munit_discriminator(MUNIT.discriminator, SIZE).forward == both

    def test_the_plain_decoder_counts_as_torch_counts_its_layers(self) -> None:
        layers = nn.Sequential(
            *(nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 5, padding=2)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(8, 4, 5, padding=2)),
            nn.Conv2d(4, 3, 7, padding=3),
        )
        mlp = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 2 * 4 * 16))
        counted = counts._munit_decoder(MUNIT.generator, SIZE, plain=True).forward
        in_layers = macs_of(layers, torch.zeros(1, 16, SIZE // 4, SIZE // 4))
        assert counted == in_layers + macs_of(mlp, torch.zeros(1, 3))

    def test_a_batch_costs_as_much_as_its_pictures(self) -> None:
        assert needed_macs(MUNIT, SIZE, 8) == 8 * needed_macs(MUNIT, SIZE, 1)

    def test_the_cycle_costs_two_more_decodings(self) -> None:
        with_cycle = replace(MUNIT, weights=WeightsConfig(cycle=10.0))
        decoder = counts._munit_decoder(MUNIT.generator, SIZE, plain=False)
        assert needed_macs(with_cycle, SIZE, 1) - needed_macs(MUNIT, SIZE, 1) == 2 * decoder.trained()

    def test_more_styles_of_a_picture_cost_decodings_alone(self) -> None:
        one, ten = (translation_macs(MUNIT, SIZE, styles) for styles in (1, 10))
        assert ten - one == 9 * counts._munit_decoder(MUNIT.generator, SIZE, plain=False).forward


class TestUgatit:
    def test_a_generator_pass_at_256_px_takes_the_known_number(self) -> None:
        config = PRESETS["ugatit-light"]().model
        assert counts._generator(config, 256, plain=True).forward == pytest.approx(52e9, rel=0.015)

    def test_the_reference_makes_24_generator_passes_a_step(self) -> None:
        config = PRESETS["ugatit-light"]().model
        generator = counts._generator(config, 256, plain=True)
        scores = counts._ugatit_discriminators(config, 256, plain=True)
        stems = 6 * generator.stem + 2 * 1 * scores.stem  # of real pictures: no gradient is sent into them
        in_all = reference_macs(config, 256, 1)
        assert in_all == pytest.approx(24 * generator.forward + 18 * scores.forward - stems)

    def test_the_full_model_adds_its_first_linear_layer(self) -> None:
        light, full = (
            UgatitConfig(generator=ugatit.GeneratorConfig(dim=4, num_res_blocks=1, light=light)).at_size((64, 64))
            for light in (True, False)
        )
        more = counts._generator(full, 64, plain=False).forward - counts._generator(light, 64, plain=False).forward
        assert more == 16**2 * (16**2 - 1)


def test_the_small_grid_takes_9_of_25_and_4_of_9() -> None:
    for kernel, share in ((5, 9 / 25), (3, 4 / 9)):
        plain, needed = (counts.upsampling_conv(8, 4, kernel, 16, plain=plain) for plain in (True, False))
        assert needed / plain == pytest.approx(share)


def test_gradients_cost_a_forward_pass_each() -> None:
    work = Work(forward=10.0, stem=1.0) + Work(forward=5.0)
    assert (work.trained(), work.trained_on_data(), work.passed_through()) == (45.0, 44.0, 30.0)
