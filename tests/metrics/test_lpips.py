"""LPIPS against the package of its authors, on a trunk with random weights; nothing is downloaded."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError, UserError
from unpaired.metrics.distances import load_distance
from unpaired.metrics.lpips import HEADS, Version, make_lpips, read_heads
from unpaired.metrics.picture_distance import PictureDistance
from unpaired.pretrained.alexnet import AlexNetFeatures
from unpaired.pretrained.store import require

lpips = pytest.importorskip("lpips")


@pytest.fixture(scope="module", params=get_args(Version))
def both(request: pytest.FixtureRequest) -> tuple[Any, PictureDistance]:
    """The package's LPIPS with random trunk, and ours with the same trunk."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision in an old way
        original = lpips.LPIPS(net="alex", version=request.param, pnet_rand=True, verbose=False)
    convolutions = [layer for part in original.net.children() for layer in part if isinstance(layer, torch.nn.Conv2d)]
    trunk = AlexNetFeatures([(layer.weight.detach(), layer.bias.detach()) for layer in convolutions])
    return original, make_lpips(trunk, read_heads(require(HEADS[request.param])), request.param)


def pictures(seed: int, *size: int) -> Tensor:
    return torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("size", [(64, 64), (33, 90)])
@torch.no_grad()
def test_it_is_what_the_package_computes(both: tuple[Any, PictureDistance], size: tuple[int, int]) -> None:
    original, ours = both
    x, y = pictures(0, *size), pictures(1, *size)
    expected = original(x, y)[:, 0, 0, 0]
    assert expected.min() > 0.001
    torch.testing.assert_close(ours(x, y), expected, rtol=1e-6, atol=1e-6)


def test_the_versions_differ_in_scale_and_heads_and_say_so(both: tuple[Any, PictureDistance]) -> None:
    original, ours = both
    assert ours.label == f"LPIPS (AlexNet, v{original.version})"
    assert ours.name == {"0.1": "lpips", "0.0": "lpips-v0.0"}[original.version]
    assert f"v{original.version}" in ours.recipe["network"]


def test_small_pictures_are_refused(both: tuple[Any, PictureDistance]) -> None:
    _, ours = both
    assert ours(pictures(0, 31, 31), pictures(1, 31, 31)).shape == (3,)
    with pytest.raises(UsageError, match=r"30x40 pixels are too small.*LPIPS"):
        ours(pictures(0, 30, 40), pictures(1, 30, 40))


def test_without_the_trunk_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match="unpaired weights get alexnet"):
        load_distance("lpips")


def test_another_file_than_the_heads(tmp_path: Path) -> None:
    path = tmp_path / "alex.pth"
    torch.save({f"lin{i}.model.1.weight": torch.zeros(1, 7, 1, 1) for i in range(5)}, path)
    with pytest.raises(UserError, match=r"not those for AlexNet"):
        read_heads(path)
    path.write_bytes(b"torn")
    with pytest.raises(UserError, match="does not hold the heads"):
        read_heads(path)
