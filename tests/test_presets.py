from __future__ import annotations

import pytest

from unpaired.models.munit.config import MunitConfig
from unpaired.presets import PRESETS
from unpaired.schedules import value_at


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_documented(name: str) -> None:
    assert PRESETS[name]().problems() == []
    doc = (PRESETS[name].__doc__ or "").strip().splitlines()
    assert doc
    assert doc[0].endswith(".")


def test_the_names_are_those_of_the_functions() -> None:
    assert {name: function.__name__ for name, function in PRESETS.items()} == {n: n.replace("-", "_") for n in PRESETS}


def test_munit_is_what_the_paper_trained() -> None:
    config = PRESETS["munit"]()
    assert config.model == MunitConfig()
    assert (config.steps, config.batch_size, config.data.size) == (1_000_000, 1, (256, 256))
    assert (config.optimizer.lr_generator, config.optimizer.betas, config.optimizer.weight_decay) == (
        1e-4,
        (0.5, 0.999),
        1e-4,
    )
    assert (config.optimizer.schedule, config.optimizer.step_size, config.optimizer.gamma) == ("step", 100_000, 0.5)
    assert (config.model.weights.image, config.model.weights.style, config.model.weights.content) == (10.0, 1.0, 1.0)


def test_landscapes_add_the_explicit_cycle_loss_and_nothing_else() -> None:
    munit, landscape = PRESETS["munit"](), PRESETS["munit-landscape"]()
    assert landscape.model.weights.cycle == 10.0
    assert landscape.model.generator == munit.model.generator
    assert landscape.data == munit.data


def test_munit_64_lowers_the_cycle_weight_when_mixup_ends() -> None:
    model = PRESETS["munit-64"]().model
    assert [value_at(model.weights.cycle, step) for step in (0, 79_999, 80_000)] == [1.0, 1.0, 0.3]
    assert model.mixup is not None
    assert model.mixup.end_step == 80_000


@pytest.mark.parametrize("name", ["munit-128", "munit-64"])
def test_the_keras_presets_have_its_networks(name: str) -> None:
    model = PRESETS[name]().model
    assert (model.generator.num_res_blocks, model.generator.upsample_norm, model.discriminator.num_layers) == (
        3,
        "instance",
        3,
    )
    assert model.mixup is not None
    assert model.mixup.alpha == 0.2


def test_the_demo_is_small() -> None:
    config = PRESETS["demo"]()
    assert max(config.data.size) <= 64
    assert config.steps <= 5000
    assert config.checkpoints.snapshot_every_steps is None, "a demo leaves one checkpoint behind"
