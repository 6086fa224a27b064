"""AlexNet's layers against torchvision's network, and files that are not it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from unpaired.errors import UserError
from unpaired.pretrained.alexnet import AlexNetFeatures, read_alexnet

ACTIVATIONS = (1, 4, 7, 9, 11)  # relu1 to relu5 among torchvision's `features`


@pytest.fixture(scope="module")
def original() -> nn.Sequential:
    torch.manual_seed(0)
    features: nn.Sequential = torchvision.models.alexnet(weights=None).features
    return features


@pytest.fixture(scope="module")
def state(original: nn.Sequential) -> dict[str, Tensor]:
    return {f"features.{name}": tensor for name, tensor in original.state_dict().items()}


@pytest.mark.parametrize("size", [(31, 31), (64, 64), (70, 100)])
@torch.no_grad()
def test_every_layer_is_torchvisions(
    original: nn.Sequential, state: dict[str, Tensor], tmp_path: Path, size: tuple[int, int]
) -> None:
    torch.save(state, tmp_path / "alexnet.pth")
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    found = AlexNetFeatures(read_alexnet(tmp_path / "alexnet.pth"))(x)
    y, expected = x, []
    for number, layer in enumerate(original[:12]):
        y = nn.functional.relu(y) if isinstance(layer, nn.ReLU) else layer(y)  # torchvision's work in place
        expected += [y] if number in ACTIVATIONS else []
    assert len(found) == 5
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_frozen_and_without_random_numbers(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "alexnet.pth")
    before = torch.random.get_rng_state()
    network = AlexNetFeatures(read_alexnet(tmp_path / "alexnet.pth")).train()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_files_that_are_not_alexnet(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "alexnet.pth"
    path.write_bytes(b"torn")
    with pytest.raises(UserError, match="is torn, or is not AlexNet"):
        read_alexnet(path)
    torch.save({"features.0.weight": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=r"features\.0\.bias"):
        read_alexnet(path)
    torch.save({**state, "features.3.weight": torch.zeros(192, 64, 3, 3)}, path)
    with pytest.raises(UserError, match=r"shapes .*\(192, 64, 3, 3\)"):
        read_alexnet(path)
