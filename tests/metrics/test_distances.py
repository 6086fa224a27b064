"""HED-VGG16's distance, told by angles; which distance is the default, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, max_pool2d, relu

from unpaired.errors import UsageError, UserError
from unpaired.metrics import distances, lpips
from unpaired.metrics.distances import PICTURE_DISTANCES, PictureDistance, default_distance, load_distance
from unpaired.pretrained.vgg16 import HED_SCALE, Trunk, Vgg16Features

WIDTHS = (4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8)
LAST_OF_BLOCK = (1, 3, 6, 9, 12)


@pytest.fixture
def convolutions() -> list[tuple[Tensor, Tensor]]:
    """A narrow VGG16."""
    rng = torch.Generator().manual_seed(0)
    inputs = (3, *WIDTHS)
    return [
        (torch.randn(out, num, 3, 3, generator=rng) * (2 / 9 / num) ** 0.5, torch.randn(out, generator=rng) + 1)
        for num, out in zip(inputs, WIDTHS, strict=False)
    ]


@pytest.fixture
def hed(convolutions: list[tuple[Tensor, Tensor]], monkeypatch: pytest.MonkeyPatch) -> PictureDistance:
    network = Vgg16Features(Trunk(convolutions, HED_SCALE), label="HED-VGG16")
    monkeypatch.setattr(distances, "load_vgg16", lambda name: {"hed-vgg16": network}[name])
    return load_distance("hed-vgg16")


def test_hed_vgg16_sums_what_angles_tell(hed: PictureDistance, convolutions: list[tuple[Tensor, Tensor]]) -> None:
    """|u - v|² = |u|² + |v|² - 2 cos, lengths 1, or 0 where nothing is seen; last layer of each block, all pools."""
    x, y = (torch.rand(3, 3, 40, 32, generator=torch.Generator().manual_seed(s)) * 2 - 1 for s in (1, 2))
    mean = torch.tensor(HED_SCALE.mean).view(1, 3, 1, 1)
    u, v = ((p + 1) * 127.5 - mean for p in (x, y))
    expected = torch.zeros(3)
    for number, (weight, bias) in enumerate(convolutions):
        if number - 1 in LAST_OF_BLOCK:
            u, v = max_pool2d(u, 2), max_pool2d(v, 2)
        u, v = (relu(torch.nn.functional.conv2d(p, weight, bias, padding=1)) for p in (u, v))
        if number in LAST_OF_BLOCK:
            num_seen = (u.amax(dim=1) > 0).float() + (v.amax(dim=1) > 0).float()
            expected += (num_seen - 2 * cosine_similarity(u, v, dim=1)).mean(dim=(1, 2))
    torch.testing.assert_close(hed(x, y), expected, rtol=1e-4, atol=1e-5)


def test_hed_vgg16_is_called_by_its_name_and_never_lpips(hed: PictureDistance) -> None:
    assert hed.label == "HED-VGG16"
    assert "LPIPS" not in str(hed.recipe)
    with pytest.raises(UsageError, match="15x64 pixels are too small for HED-VGG16"):
        hed.features(torch.zeros(1, 3, 15, 64))
    assert hed.features(torch.zeros(1, 3, 16, 16))[-1].shape[2:] == (1, 1)


def test_an_unknown_name_is_corrected() -> None:
    with pytest.raises(UsageError, match='Did you mean "hed-vgg16"'):
        load_distance("hed-vgg")


@pytest.mark.parametrize("name", PICTURE_DISTANCES)
def test_without_weights_the_way_out_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("unpaired.pretrained.sources.Installed.locate", lambda _: None)
    with pytest.raises(UserError, match="unpaired weights get"):
        load_distance(name)


@pytest.mark.parametrize(
    ("here", "chosen"),
    [
        ({"alexnet", "lpips-heads", "hed-vgg16"}, "lpips"),
        ({"alexnet", "lpips-heads"}, "lpips"),
        ({"lpips-heads", "hed-vgg16"}, "hed-vgg16"),
        ({"alexnet", "hed-vgg16"}, "hed-vgg16"),
        ({"alexnet", "lpips-heads-v0.0"}, None),
    ],
)
def test_the_default_is_lpips_where_it_can_be(
    here: set[str], chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (distances, lpips):
        monkeypatch.setattr(module, "locate", lambda network: Path("x") if network.name in here else None)
    if chosen is None:
        with pytest.raises(UserError, match=r"get alexnet(.|\n)*get hed-vgg16"):
            default_distance()
    else:
        assert default_distance() == chosen
