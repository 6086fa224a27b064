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
from unpaired.inference.bundle import Bundle
from unpaired.inference.facts import FORMAT, BundleConfig, DomainNames, PicturesConfig
from unpaired.inference.translator import Translator, load
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.models.munit.method import Munit
from unpaired.models.ugatit.config import DiscriminatorConfig as UgatitDiscriminatorConfig
from unpaired.models.ugatit.config import GeneratorConfig as UgatitGeneratorConfig
from unpaired.models.ugatit.config import UgatitConfig
from unpaired.models.ugatit.method import Ugatit

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


def ugatit_bundle(**generator: object) -> Bundle:
    """A tiny U-GAT-IT with drawn weights; `generator` are changes of its config."""
    model = UgatitConfig(
        generator=UgatitGeneratorConfig(**{"light": True, "dim": 4, "num_res_blocks": 1, **generator}),  # type: ignore[arg-type]
        discriminator=UgatitDiscriminatorConfig(dim=4, num_layers_global=3, num_layers_local=3),
    )
    method = Ugatit(model)
    method.initialize(torch.Generator().manual_seed(0))
    facts = BundleConfig(
        format=FORMAT,
        model=model,
        data=PicturesConfig(size=(32, 32), resize="stretch", background=(255, 255, 255)),
        weights="raw",
        domains=DomainNames(a="selfies", b="cartoons"),
        source="drawn",
        versions=VERSIONS,
    )
    return Bundle(facts, method.generators.state_dict())


@pytest.fixture(scope="session")
def attentive() -> Translator:
    """A light U-GAT-IT."""
    return Translator(ugatit_bundle(), device="cpu")


@pytest.fixture(scope="session")
def of_one_size() -> Translator:
    """A full U-GAT-IT, tied to 32x24 pixels (height x width)."""
    return Translator(ugatit_bundle(light=False, size=(32, 24)), device="cpu")


@pytest.fixture(scope="session")
def without_attention() -> Translator:
    """A light U-GAT-IT of the paper's ablation."""
    return Translator(ugatit_bundle(cam=False), device="cpu")
