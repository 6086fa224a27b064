"""A tiny data set and a tiny run config, small enough for a step to take milliseconds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_networks import MUNIT

from unpaired.config import (
    CheckpointsConfig,
    DataConfig,
    LogConfig,
    RunConfig,
    SamplesConfig,
)
from unpaired.data.folders import PictureFolders, open_folders


@pytest.fixture(scope="session")
def picture_folders(tmp_path_factory) -> PictureFolders:
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for domain, count in (("a", 5), ("b", 7)):
        (root / domain).mkdir()
        for index in range(count):
            pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / domain / f"{index}.png")
    folders, problems = open_folders(DataConfig(a=str(root / "a"), b=str(root / "b"), size=(16, 16)))
    assert not problems
    return folders


@pytest.fixture
def config(picture_folders) -> RunConfig:
    a, b = (str(Path(paths[0]).parent) for paths in (picture_folders.a, picture_folders.b))
    return RunConfig(
        steps=4,
        batch_size=2,
        device="cpu",
        precision="fp32",
        data=DataConfig(a=a, b=b, size=(16, 16)),
        model=replace(MUNIT, discriminator=replace(MUNIT.discriminator, num_scales=1)),
        samples=SamplesConfig(every_steps=2, num_inputs=2, num_styles=2),
        checkpoints=CheckpointsConfig(every_steps=2, snapshot_every_steps=None),
        log=LogConfig(every_steps=1, tensorboard=False),
    )


@pytest.fixture
def changed(config):
    """The config with some of its fields replaced."""
    return lambda **changes: replace(config, **changes)
