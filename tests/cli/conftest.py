"""A tiny trained run, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from unpaired import tensorfile
from unpaired.cli.app import main
from unpaired.config import DataConfig, RunConfig, to_dict, to_yaml
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.models.munit.method import Munit

CONFIG = RunConfig(
    data=DataConfig(a="data/cats", b="data/dogs", size=(32, 32)),
    model=MunitConfig(
        generator=GeneratorConfig(dim=4, mlp_dim=8, style_dim=3, num_res_blocks=1),
        discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=1),
    ),
)


@dataclass(frozen=True)
class Called:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def num_errors(self) -> int:
        """How many problems were reported."""
        return sum(line.startswith("error: ") for line in self.err.splitlines())


@pytest.fixture
def unpaired(capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Calls the command line: `unpaired("translate", …)`."""

    def call(*arguments: object) -> Called:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


@pytest.fixture
def trained_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run folder `runs/0001-munit-cats2dogs`, relative to the current folder, which is empty otherwise."""
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/0001-munit-cats2dogs")
    tensors = {}
    for seed, part in enumerate(("ema", "generators")):
        method = Munit(CONFIG.model)
        method.initialize(torch.Generator().manual_seed(seed))
        tensors |= {f"{part}.{name}": tensor for name, tensor in method.generators.state_dict().items()}
    header = {
        "kind": "checkpoint",
        "format": 1,
        "step": 7,
        "config": to_dict(CONFIG),
        "versions": {"unpaired": "0.1.0"},
    }
    tensorfile.write(folder / "checkpoints" / "last.safetensors", tensors, header)
    (folder / "config.yaml").write_text(to_yaml(CONFIG), encoding="utf-8")
    return folder


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Makes a picture file: `draw(path, seed=, size=(width, height))`."""

    def make(path: str, seed: int = 0, size: tuple[int, int] = (40, 32)) -> Path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        noise = torch.rand((5, 6, 3), generator=torch.Generator().manual_seed(seed)).mul(255).byte().numpy()
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)
        return Path(path)

    return make
