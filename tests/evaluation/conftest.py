"""Small data folders, candidates that need no training, networks that need no weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from unpaired import tensorfile
from unpaired.config import DataConfig, RunConfig, to_dict, to_yaml
from unpaired.evaluation import tools
from unpaired.evaluation.data import EvaluationData, open_data
from unpaired.evaluation.evaluate import Plan, prepare
from unpaired.evaluation.settings import Settings
from unpaired.metrics.picture_distance import DistanceFacts, PictureDistance
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.models.munit.method import Munit

SIDE_PX = 32
COUNTS = {"trainA": 9, "trainB": 8, "testA": 6, "testB": 6}


def draw_picture(path: Path, seed: int, *, edges: bool = False, size: tuple[int, int] = (SIDE_PX, SIDE_PX)) -> Path:
    """A blob of noise in a colour, or the black outline of a box on white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if edges:
        picture = Image.new("RGB", size, "white")
        left = 3 + seed % 10
        ImageDraw.Draw(picture).rectangle((left, left, left + 12, left + 14), outline="black")
    else:
        noise = torch.rand((4, 4, 3), generator=torch.Generator().manual_seed(seed)).mul(255).byte().numpy()
        picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    picture.save(path)
    return path


class PixelNetwork:
    """Features without weights: the pixels of the picture, shrunk."""

    name, label, num_features = "pixels", "pixels", 12
    recipe: Mapping[str, str] = {"network": "pixels", "resize": "2x2"}

    def features(self, x: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)

    def to(self, _device: torch.device) -> PixelNetwork:
        return self


def pixel_distance() -> PictureDistance:
    """A distance without weights: of the pixels themselves."""
    recipe = {"network": "pixels"}
    return PictureDistance(DistanceFacts(name="pixels", label="pixels", recipe=recipe, min_side_px=1), lambda x: [x])


@pytest.fixture(autouse=True)
def _networks_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "default_feature_network", lambda: "pixels")
    monkeypatch.setattr(tools, "load_feature_network", lambda _name: PixelNetwork())
    monkeypatch.setattr(tools, "default_distance", lambda: "pixels")
    monkeypatch.setattr(tools, "load_distance", lambda _name: pixel_distance())


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """A data folder in which testA and testB have no name in common."""
    for part, count in COUNTS.items():
        for number in range(count):
            draw_picture(tmp_path / "data" / part / f"{part[-1].lower()}{number}.png", 100 * len(part) + number)
    return tmp_path / "data"


@pytest.fixture
def paired_folder(tmp_path: Path) -> Path:
    """A data folder of pairs: boxes' outlines in domain a, blobs in domain b."""
    for part, count in COUNTS.items():
        for number in range(count):
            draw_picture(tmp_path / "pairs" / part / f"x{number}.png", number, edges=part.endswith("A"))
    return tmp_path / "pairs"


@pytest.fixture
def opened() -> Callable[..., EvaluationData]:
    """Opens a data folder that is right."""

    def open_right(folder: Path, **how: object) -> EvaluationData:
        data, problems = open_data(folder, **how)  # type: ignore[arg-type]
        assert problems == []
        assert data is not None
        return data

    return open_right


@pytest.fixture
def translations(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of translated pictures: `translations("name", ["x0_1", "x0_2"])`."""

    def make(name: str, stems: list[str], seed: int = 0, size: tuple[int, int] = (SIDE_PX, SIDE_PX)) -> Path:
        for number, stem in enumerate(stems):
            draw_picture(tmp_path / name / f"{stem}.png", 1000 * (seed + 1) + number, size=size)
        return tmp_path / name

    return make


@pytest.fixture
def planned() -> Callable[..., Plan]:
    """The plan of an evaluation on the CPU: `planned([model], data, num_styles=2)`."""

    def make(models: list[Path], data: Path, **settings: object) -> Plan:
        return prepare(models, data, Settings(**{"device": "cpu", "num_styles": 2, **settings}))  # type: ignore[arg-type]

    return make


CONFIG = RunConfig(
    data=DataConfig(a="data/discs", b="data/rings", size=(SIDE_PX, SIDE_PX)),
    model=MunitConfig(
        generator=GeneratorConfig(dim=4, mlp_dim=8, style_dim=3, num_res_blocks=1),
        discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=1),
    ),
)


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run of a tiny model with drawn weights: `write_run("name", seed=1)`."""

    def write(name: str, seed: int = 0, config: RunConfig = CONFIG, step: int = 7) -> Path:
        method = Munit(config.model)  # type: ignore[arg-type]
        method.initialize(torch.Generator().manual_seed(seed))
        tensors = {f"ema.{key}": tensor for key, tensor in method.generators.state_dict().items()}
        plain = to_dict(config)
        header = {"kind": "checkpoint", "format": 1, "step": step, "config": plain, "versions": {"unpaired": "0.1.0"}}
        tensorfile.write(tmp_path / name / "checkpoints" / "last.safetensors", tensors, header)
        (tmp_path / name / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def unpaired_main() -> Callable[..., int]:
    """Calls the command line in this process and gives its exit code."""
    from unpaired.cli.app import main

    return lambda *arguments: main([str(argument) for argument in arguments])


@pytest.fixture
def small_config() -> RunConfig:
    """The config of `write_run` at half the size."""
    return replace(CONFIG, data=replace(CONFIG.data, size=(SIDE_PX // 2, SIDE_PX // 2)))
