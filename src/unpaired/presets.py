"""Named starting points. Each function returns a full config; anything in it can be overridden. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from unpaired.config import CheckpointsConfig, DataConfig, LogConfig, OptimizerConfig, RunConfig, SamplesConfig
from unpaired.models.munit.config import (
    DiscriminatorConfig,
    GeneratorConfig,
    MixupConfig,
    MunitConfig,
    WeightsConfig,
)
from unpaired.models.ugatit import config as ugatit_config
from unpaired.models.ugatit.config import UgatitConfig


def munit() -> RunConfig:
    """MUNIT as the paper trained it on edges and shoes: 256 px, batch 1, a million steps (a GPU for days)."""
    return RunConfig(samples=SamplesConfig(every_steps=10_000), checkpoints=CheckpointsConfig(every_steps=5_000))


def munit_landscape() -> RunConfig:
    """MUNIT with the explicit cycle loss (weight 10), as the reference trains summer2winter_yosemite256."""
    return replace(munit(), model=MunitConfig(weights=WeightsConfig(cycle=10.0)))


def munit_128() -> RunConfig:
    """128 px with 3 residual blocks, instance norm when up-sampling, mixup and a cycle weight of 0.3 (MUNIT-keras)."""
    return replace(
        munit(),
        steps=300_000,
        data=DataConfig(size=(128, 128)),
        model=_keras_model(cycle=0.3, mixup_end_step=None),
        optimizer=OptimizerConfig(schedule="constant"),
    )


def munit_64() -> RunConfig:
    """64 px as MUNIT-keras' first reported run: cycle weight 1, then 0.3 from step 80,000 when mixup ends."""
    return replace(
        munit(),
        steps=130_000,
        data=DataConfig(size=(64, 64)),
        model=_keras_model(cycle=((0, 1.0), (80_000, 0.3)), mixup_end_step=80_000),
        optimizer=OptimizerConfig(schedule="constant"),
    )


def munit_small() -> RunConfig:
    """A quarter of the paper's width at 64 px, batch 4: learns a small data set on a laptop's CPU within hours."""
    return RunConfig(
        steps=20_000,
        batch_size=4,
        data=DataConfig(size=(64, 64)),
        model=MunitConfig(
            generator=GeneratorConfig(dim=16, num_res_blocks=3),
            discriminator=DiscriminatorConfig(dim=32),
        ),
        samples=SamplesConfig(every_steps=500),
        checkpoints=CheckpointsConfig(every_steps=500),
    )


def munit_fast() -> RunConfig:
    """For a small data set and little time: twice the detail of munit-small's codes, explicit cycle, high rates.

    What each change brings was measured: benchmarks/quality. Lines are learned first; from step 1,500 on local contrast
    counts more, and surfaces become clean. The rates fall in the second half of the run, so choose --steps for the time
    there is: 3,000 already show what a data set gives.
    """
    small = munit_small()
    return replace(
        small,
        steps=6_000,
        model=MunitConfig(
            generator=GeneratorConfig(dim=16, num_res_blocks=3, num_downsamples=1),
            discriminator=DiscriminatorConfig(dim=32),
            weights=WeightsConfig(cycle=10.0, contrast=((0, 1.0), (1500, 4.0))),
            augment=("translation",),
            center_adain=True,
        ),
        optimizer=OptimizerConfig(lr_generator=4e-4, lr_discriminator=4e-4, schedule="linear", step_size=1),
    )


def demo() -> RunConfig:
    """What `unpaired demo` trains: 32 px pictures, content codes of 16 px, two to four minutes on two CPU cores."""
    return RunConfig(
        steps=1200,
        batch_size=4,
        data=DataConfig(size=(32, 32)),
        model=MunitConfig(
            generator=GeneratorConfig(dim=16, mlp_dim=128, num_res_blocks=2, num_downsamples=1),
            discriminator=DiscriminatorConfig(dim=32, num_layers=3, num_scales=2),
            weights=WeightsConfig(cycle=10.0),
        ),
        optimizer=OptimizerConfig(lr_generator=3e-4, lr_discriminator=3e-4),
        samples=SamplesConfig(every_steps=200, num_inputs=6, num_styles=4),
        checkpoints=CheckpointsConfig(every_steps=300, snapshot_every_steps=None),
        log=LogConfig(every_steps=5),
    )


def ugatit() -> RunConfig:
    """U-GAT-IT as the paper trained it: the full model, 256 px, batch 1, a million steps (a GPU for days)."""
    return RunConfig(
        data=DataConfig(size=(256, 256), resize="stretch", margin=30),
        model=UgatitConfig(),
        optimizer=OptimizerConfig(decay="kernels", schedule="linear", step_size=1),
        samples=SamplesConfig(every_steps=10_000, num_inputs=5),
        checkpoints=CheckpointsConfig(every_steps=5_000, snapshot_every_steps=100_000, keep=2),
    )


def ugatit_light() -> RunConfig:
    """U-GAT-IT's light model: 26 times fewer weights in the generators, any picture size, a tenth of a GPU's memory."""
    return replace(ugatit(), model=UgatitConfig(generator=ugatit_config.GeneratorConfig(light=True)))


def ugatit_light_128() -> RunConfig:
    """The light model at 128 px, for a GPU with little memory or a patient CPU."""
    return replace(ugatit_light(), steps=300_000, data=DataConfig(size=(128, 128), resize="stretch", margin=15))


def ugatit_small() -> RunConfig:
    """The light model at half the paper's width and 64 px: learns a small data set on a laptop's CPU within hours."""
    return RunConfig(
        steps=20_000,
        data=DataConfig(size=(64, 64), resize="stretch", margin=8),
        model=UgatitConfig(
            generator=ugatit_config.GeneratorConfig(light=True, dim=32),
            discriminator=ugatit_config.DiscriminatorConfig(dim=32, num_layers_global=6, num_layers_local=4),
        ),
        optimizer=OptimizerConfig(decay="kernels", schedule="linear", step_size=1),
        samples=SamplesConfig(every_steps=500, num_inputs=6),
        checkpoints=CheckpointsConfig(every_steps=500),
    )


def _keras_model(*, cycle: float | tuple[tuple[int, float], ...], mixup_end_step: int | None) -> MunitConfig:
    return MunitConfig(
        generator=GeneratorConfig(num_res_blocks=3, upsample_norm="instance"),
        discriminator=DiscriminatorConfig(num_layers=3),
        weights=WeightsConfig(cycle=cycle),
        mixup=MixupConfig(alpha=0.2, end_step=mixup_end_step),
    )


PRESETS: dict[str, Callable[[], RunConfig]] = {
    "munit": munit,
    "munit-landscape": munit_landscape,
    "munit-128": munit_128,
    "munit-64": munit_64,
    "munit-small": munit_small,
    "munit-fast": munit_fast,
    "ugatit": ugatit,
    "ugatit-light": ugatit_light,
    "ugatit-light-128": ugatit_light_128,
    "ugatit-small": ugatit_small,
    "demo": demo,
}
