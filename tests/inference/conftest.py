"""A tiny model on disk, as training leaves it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from unpaired import tensorfile
from unpaired.config import DataConfig, RunConfig, to_dict, to_yaml
from unpaired.inference.translator import Translator, load
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.models.munit.method import Munit

TINY = RunConfig(
    data=DataConfig(a="data/cats", b="data/dogs", size=(32, 32)),
    model=MunitConfig(
        generator=GeneratorConfig(dim=4, mlp_dim=8, style_dim=3, num_res_blocks=1),
        discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=1),
    ),
)
VERSIONS = {"unpaired": "0.1.0", "torch": "2.6.0"}


def drawn(seed: int, config: RunConfig = TINY) -> Munit:
    method = Munit(config.model)
    method.initialize(torch.Generator().manual_seed(seed))
    return method


def tensors_of_run(config: RunConfig = TINY) -> dict[str, Tensor]:
    """What a checkpoint holds: other weights under `ema.` than under `generators.`."""
    averaged, last = drawn(1, config), drawn(2, config)
    tensors = {f"ema.{name}": tensor for name, tensor in averaged.generators.state_dict().items()}
    tensors |= {f"generators.{name}": tensor for name, tensor in last.generators.state_dict().items()}
    tensors |= {f"discriminators.{name}": tensor for name, tensor in last.discriminators.state_dict().items()}
    return tensors


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], config: RunConfig = TINY, step: int = 7) -> Path:
    header = {"kind": "checkpoint", "format": 1, "step": step, "config": to_dict(config), "versions": VERSIONS}
    tensorfile.write(path, tensors, header)
    return path


def write_run(folder: Path, config: RunConfig = TINY) -> Path:
    write_checkpoint(folder / "checkpoints" / "last.safetensors", tensors_of_run(config), config)
    (folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    return folder


@pytest.fixture
def trained_tensors() -> dict[str, Tensor]:
    """What the checkpoint of `run_folder` holds."""
    return tensors_of_run()


@pytest.fixture
def save_checkpoint() -> Callable[..., Path]:
    """Writes a checkpoint: `save_checkpoint(path, tensors)`."""
    return write_checkpoint


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "0001-munit-cats2dogs")


@pytest.fixture
def run_folder(run_once: Path, tmp_path: Path) -> Path:
    """A run folder that a test may change."""
    return Path(shutil.copytree(run_once, tmp_path / "runs" / run_once.name))


@pytest.fixture(scope="session")
def translator(run_once: Path) -> Translator:
    return load(run_once, device="cpu")


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    """Makes pictures with something to see in them: `picture(width, height, seed)`."""

    def make(width: int = 40, height: int = 32, seed: int = 0) -> Image.Image:
        noise = torch.rand((5, 6, 3), generator=torch.Generator().manual_seed(seed)).mul(255).byte().numpy()
        return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)

    return make
