"""What the end-to-end tests share: small pictures, a tiny config, a trained run, the command line in-process."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from unpaired.cli.app import main

TINY = """\
batch_size: 2
device: cpu
data: {size: [32, 32]}
model:
  generator: {dim: 4, mlp_dim: 8, style_dim: 3, num_res_blocks: 1}
  discriminator: {dim: 4, num_layers: 2, num_scales: 1}
samples: {every_steps: 5, num_inputs: 2, num_styles: 2}
checkpoints: {every_steps: 5, snapshot_every_steps: null}
log: {every_steps: 1, tensorboard: false}
"""


@dataclass(frozen=True)
class Ran:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def draw_pictures(folder: Path, count: int, *, side_px: int = 40, rings: bool = False, seed: int = 0) -> Path:
    """`folder` with `count` pictures of discs (or rings) in random places and colours."""
    folder.mkdir(parents=True)
    rng = random.Random(f"{seed} {rings}")
    for number in range(count):
        picture = Image.new("RGB", (side_px, side_px), "white")
        left, top = (rng.randrange(side_px // 2) for _ in "xy")
        colour = (rng.randrange(200), rng.randrange(200), rng.randrange(200))
        box = (left, top, left + side_px // 2, top + side_px // 2)
        ImageDraw.Draw(picture).ellipse(box, outline=colour, width=3, fill=None if rings else colour)
        picture.save(folder / f"{number:02d}.png")
    return folder


def draw_data(folder: Path, *, side_px: int = 40) -> Path:
    """A data folder with trainA, trainB, testA and testB."""
    for name, count, rings in (("trainA", 6, False), ("trainB", 5, True), ("testA", 3, False), ("testB", 3, True)):
        draw_pictures(folder / name, count, side_px=side_px, rings=rings, seed=len(name) + count)
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with the data folder `discs2rings` and the config `tiny.yaml`."""
    draw_data(tmp_path / "discs2rings")
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls the command line in this process: `run("train", folder, …)` gives its exit code and what it printed."""

    def call(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of 5 steps called `trained`; copy it, do not change it."""
    folder = tmp_path_factory.mktemp("trained")
    draw_data(folder / "discs2rings")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    arguments = [
        "train",
        folder / "discs2rings",
        "--config",
        folder / "tiny.yaml",
        "--steps",
        5,
        "--out",
        folder / "run",
    ]
    assert main([str(argument) for argument in arguments]) == 0
    return folder / "run"


@pytest.fixture
def trained(trained_once: Path, place: Path) -> Path:
    """A copy of a run of 5 steps, in `place`."""
    return Path(shutil.copytree(trained_once, place / "trained")).relative_to(place)
