from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unpaired.layers import convolution, products
from unpaired.layers.products import batch_product, product
from unpaired.losses.config import FaceConfig, LossesConfig
from unpaired.models.base import Batch
from unpaired.models.munit.config import WeightsConfig
from unpaired.training.engine import Engine
from unpaired.training.footprint import StepCost, count_step, whole_faces
from unpaired.training.footprint import _Watch as Watch
from unpaired.training.state import TrainState
from unpaired.training.step import train_step

MIB = 2**20


def noise(batch_size=2, size=(32, 32)):
    rng = torch.Generator().manual_seed(0)
    return Batch(*(torch.rand(batch_size, 3, *size, generator=rng) * 2 - 1 for _ in "ab"))


def started(config):
    """A state after a step on the largest batch here: scratch memory, which outlives steps and tests, is all there."""
    state = TrainState(config, Engine("cpu", config.precision))
    train_step(state, noise(8), whole_faces(noise(8)))
    return state


def test_with_two_directions_at_once_nothing_is_overlooked(config, torch_threads):
    one = count_step(started(config), noise())
    torch_threads(2)
    two = count_step(started(config), noise())
    assert two.flops == one.flops
    assert two.num_bytes == pytest.approx(one.num_bytes, rel=0.1)  # what parts give each other lives a little longer
    larger = count_step(started(config), noise(size=(48, 48)))
    assert len(larger.phase_bytes) == len(two.phase_bytes)


class TestWatch:
    @pytest.mark.parametrize("wide_amd", [True, False])
    def test_products_of_both_libraries_are_counted(self, wide_amd, monkeypatch):
        monkeypatch.setattr(products, "is_wide_amd", lambda: wide_amd)
        with Watch() as watch:
            product(torch.ones(3, 4), torch.ones(4, 5))
            batch_product(torch.ones(2, 3, 4), torch.ones(2, 4, 5), torch.ones(2, 3, 5), add=True)
        assert watch.flops == 2 * 3 * (3 * 4 * 5)

    def test_the_most_that_is_alive_at_a_time(self):
        with Watch() as watch:
            first = torch.empty(MIB, dtype=torch.uint8)
            second = torch.empty(2 * MIB, dtype=torch.uint8)
            del first
            third = torch.empty(MIB, dtype=torch.uint8)
            del second, third
        assert watch.phase_bytes == [3 * MIB]

    def test_views_and_what_was_there_before_count_nothing(self):
        x = torch.zeros(MIB, dtype=torch.uint8)
        with Watch() as watch:
            x.view(2, -1)[0].add_(1)
            x.reshape(4, -1).transpose(0, 1)
        assert watch.phase_bytes == [0]

    def test_what_autograd_keeps_stays_alive(self):
        x = torch.rand(MIB // 4, requires_grad=True)
        with Watch() as kept:
            y = x.exp().exp().sum()
        with Watch() as forgotten, torch.no_grad():
            x.exp().exp().exp().sum()
        assert kept.phase_bytes[0] >= 2 * MIB
        assert forgotten.phase_bytes[0] < 2 * MIB + 100
        y.backward()

    def test_the_backward_pass_is_seen(self):
        x = torch.rand(64, 64, requires_grad=True)
        with Watch() as watch:
            (x @ x).sum().backward()
        assert watch.flops == 3 * 2 * 64**3
        assert len(watch.phase_bytes) == 2

    def test_phases_are_passes_forward_and_backward(self):
        x = torch.rand(MIB // 4, requires_grad=True)
        with Watch() as watch:
            y = x.exp().exp().exp().sum()
            y.backward()
            x.grad = None
            torch.empty(MIB, dtype=torch.uint8)
        first, second, third = watch.phase_bytes
        assert 3 * MIB <= first <= second
        assert third < 2 * MIB


def test_counting_is_a_step_like_any_other(changed):
    config = changed()
    counted, plain = started(config), started(config)
    count_step(counted, noise())
    train_step(plain, noise(), whole_faces(noise()))
    assert counted.step == plain.step == 2
    others = plain.tensors()
    assert all(torch.equal(tensor, others[name]) for name, tensor in counted.tensors().items())


def test_arithmetic_is_that_of_the_whole_step(changed, monkeypatch):
    monkeypatch.setattr(products, "is_wide_amd", lambda: False)  # torch counts no product that it does not choose
    state = started(changed())
    with FlopCounterMode(display=False) as counter:
        train_step(state, noise(), whole_faces(noise()))
    assert count_step(state, noise()).flops == counter.get_total_flops()


def test_arithmetic_is_that_of_a_count_by_hand(changed, config, monkeypatch):
    """In bf16, where nothing this narrow is filtered, without blocks of pixels, and zero padding, where the border is
    not special: what pixels cost."""
    monkeypatch.setattr(convolution, "_WIDE_KERNEL", 8)
    model = replace(config.model, generator=replace(config.model.generator, padding="zero"))
    state = started(changed(precision="bf16", model=model))
    small, large = (count_step(state, noise(1, (side, side))) for side in (32, 64))
    # multiplications a pixel of the picture: side² · inputs · outputs / (pixels of the picture for each of the map)
    stem = 7**2 * 3 * 4
    content = stem + 4**2 * 4 * 8 / 4 + 4**2 * 8 * 16 / 16 + 2 * 3**2 * 16 * 16 / 16
    style = stem + 4**2 * 4 * 8 / 4 + 4**2 * 8 * 16 / 16 + 4**2 * 16 * 16 / 64 + 4**2 * 16 * 16 / 256
    doubled = 3**2 * 16 * (4 * 8) / 16 + 3**2 * 8 * (4 * 4) / 4  # 3×3 for each of four phases, before doubling
    decoder = 2 * 3**2 * 16 * 16 / 16 + doubled + 7**2 * 4 * 3
    first = 4**2 * 3 * 4 / 4
    discriminator = first + 4**2 * 4 * 8 / 16 + 8 * 1 / 16
    encoded = 3 * (content + style) - 2 * stem + 3 * (content + style)  # a photograph gets no gradient; translations do
    scored = 2 * (3 * discriminator - first) + 2 * discriminator  # real and translated; then frozen
    again = 2 * 3 * stem + 3 * first  # the maps of pictures, which are not kept: by the content's norm once more
    a_pixel = 2 * (encoded + 2 * 3 * decoder + scored + again)  # of both domains
    assert large.flops - small.flops == 2 * a_pixel * (64**2 - 32**2)


def test_memory_and_arithmetic_grow_with_the_pixels(changed):
    state = started(changed())
    two, four, eight = (count_step(state, noise(num)) for num in (2, 4, 8))
    for of_two, of_four, of_eight in zip(two.phase_bytes, four.phase_bytes, eight.phase_bytes, strict=True):
        assert of_eight - of_four == pytest.approx(2 * (of_four - of_two), rel=0.1)
    assert eight.flops > 1.8 * four.flops


def test_gradients_are_counted(changed):
    state = started(changed())
    parameters = max(sum(4 * p.numel() for p in network.parameters()) for network in state.networks.values())
    assert count_step(state, noise()).num_bytes > parameters


def test_a_step_has_the_same_phases_at_every_size(changed):
    state = started(changed())
    one, many = (count_step(state, noise(num)) for num in (1, 8))
    assert len(one.phase_bytes) == len(many.phase_bytes) > 3
    assert many.num_bytes == max(many.phase_bytes)


def test_a_term_costs_memory_and_arithmetic(changed):
    plain = changed()
    with_cycle = changed(model=replace(plain.model, weights=WeightsConfig(cycle=10.0)))
    without, with_it = (count_step(started(config), noise(8)) for config in (plain, with_cycle))
    assert with_it.num_bytes > 1.1 * without.num_bytes
    assert with_it.flops > 1.1 * without.flops


def test_sixteen_bits_need_less_but_not_half(changed):
    exact, rounded = (count_step(started(changed(precision=p)), noise(8)) for p in ("fp32", "bf16"))
    assert 0.5 * exact.num_bytes < rounded.num_bytes < exact.num_bytes


def test_recomputing_needs_less_memory_and_a_third_more_arithmetic(changed):
    kept, again = (count_step(started(changed(recompute=on)), noise(8)) for on in (False, True))
    assert again.phase_bytes[0] < 0.5 * kept.phase_bytes[0]  # after the generators' pass
    assert again.num_bytes < 0.8 * kept.num_bytes
    assert again.flops == pytest.approx(4 / 3 * kept.flops, rel=0.1)


def test_losses_with_pretrained_networks_are_counted(changed):
    plain: StepCost = count_step(started(changed()), noise())
    faces = count_step(started(changed(losses=LossesConfig(face=FaceConfig()))), noise())
    assert faces.flops > 4 * plain.flops  # FaceNet sees 160 px, whatever the pictures are
    assert faces.num_bytes > plain.num_bytes
