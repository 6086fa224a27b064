"""What only trained models have: round trips and the spread of their style codes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.evaluation import measures_of_codes
from unpaired.evaluation.data import Pictures
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.subjects import Direction, Subject
from unpaired.evaluation.tools import Tools

NUM, SIDE = 40, 16


class Networks:
    size_multiple = 1


class ByHand:
    """A translator whose style is a picture's mean and whose content is the rest; it can forget some content."""

    style_dim = 1
    fixed_size = None
    device = torch.device("cpu")
    networks = Networks()

    def __init__(self, kept: float = 1.0) -> None:
        self.kept = kept

    def encode_content(self, x: Tensor, domain: str) -> Tensor:
        return (x - x.mean(dim=(1, 2, 3), keepdim=True)) * self.kept

    def encode_style(self, x: Tensor, domain: str) -> Tensor:
        return x.mean(dim=(1, 2, 3))[:, None]

    def decode(self, content: Tensor, style: Tensor, domain: str) -> Tensor:
        return content + style[:, :, None, None]


@pytest.fixture
def direction(tmp_path) -> Direction:
    x = torch.randint(0, 256, (NUM, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = tuple(f"{index:02d}" for index in range(NUM))
    pictures = Pictures(tmp_path, tuple(tmp_path / f"{label}.png" for label in labels), labels)
    view = DataConfig(size=(SIDE, SIDE))
    return Direction(to="b", view=view, inputs=pictures, x=x, real=x, real_name="testB", real_labels=labels)


def measured(function, direction: Direction, translator) -> dict[str, float]:
    tools = Tools(Settings(), torch.device("cpu"))
    found = function(Subject(direction, direction.x[:, None], translator), tools)
    return {measurement.name: measurement.value for measurement in found}


def test_a_model_that_keeps_everything_brings_everything_back(direction):
    found = measured(measures_of_codes.trips, direction, ByHand())
    for name in ("cycle_error", "image_error", "content_error", "content_share", "style_error", "style_share"):
        assert found[name] == pytest.approx(0, abs=1e-5)
    assert found["image_ssim"] == pytest.approx(1)
    assert found["image_psnr"] == pytest.approx(100)


def test_what_a_model_forgets_is_measured(direction):
    found = measured(measures_of_codes.trips, direction, ByHand(kept=0.5))
    x = direction.x.double() / 127.5 - 1
    spread = (x - x.mean(dim=(1, 2, 3), keepdim=True)).abs().mean().item()
    assert found["image_error"] == pytest.approx(spread / 2, rel=1e-4)  # half the contrast is gone
    assert found["cycle_error"] == pytest.approx(spread * 3 / 4, rel=1e-4)  # and half of the rest
    assert found["content_error"] == pytest.approx(spread / 4, rel=1e-4)
    assert 0 < found["content_share"] < 1


def test_style_codes_are_held_against_the_prior(direction):
    found = measured(measures_of_codes.styles, direction, ByHand())
    codes = (direction.x.double() / 127.5 - 1).mean(dim=(1, 2, 3))
    mean, std = codes.mean().item(), codes.std().item()
    assert found["style_mean"] == pytest.approx(abs(mean), abs=1e-6)
    assert found["style_std"] == pytest.approx(std, rel=1e-4)
    assert found["style_kl"] == pytest.approx((mean**2 + std**2 - 1) / 2 - math.log(std), rel=1e-4)
    assert 0 < found["style_kl_by_chance"] < 0.1


def test_every_dimension_is_kept_its_mean_with_sign(direction):
    dark = replace(direction, real=direction.real // 2)
    tools = Tools(Settings(), torch.device("cpu"))
    found = {m.name: m for m in measures_of_codes.styles(Subject(dark, dark.x[:, None], ByHand()), tools)}
    mean = (dark.real.double() / 127.5 - 1).mean().item()
    assert mean < 0
    assert found["style_mean"].per_dimension == pytest.approx((mean,), abs=1e-6)
    assert found["style_mean"].value == pytest.approx(-mean, abs=1e-6)
    assert found["style_mean"].low < -mean < found["style_mean"].high
    assert not found["style_mean"].pictures, "dimensions of two models are no pairs"


def test_folders_of_translations_have_no_codes(direction):
    assert measured(measures_of_codes.trips, direction, None) == {}
    assert measured(measures_of_codes.styles, direction, None) == {}
