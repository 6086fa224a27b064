from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unpaired.errors import UserError
from unpaired.faces.mtcnn import Mtcnn, load_mtcnn
from unpaired.faces.onnx_weights import read_initialisers
from unpaired.pretrained.store import require


@pytest.fixture(scope="module")
def folder() -> Path:
    return require("mtcnn")


@pytest.fixture(scope="module")
def networks(folder: Path) -> Mtcnn:
    return load_mtcnn(folder)


def wave(height: int, width: int) -> Tensor:
    values = np.sin(0.37 * np.arange(height * width * 3, dtype=np.float64).reshape(1, height, width, 3) ** 1.1)
    return torch.from_numpy(values.astype(np.float32)).permute(0, 3, 1, 2)


def answers(network: nn.Module, x: Tensor) -> list[float]:
    """The probabilities of nobody and of a face, and the other numbers."""
    found = network(x)
    return torch.cat([found[:, :2].softmax(dim=1), found[:, 2:]], dim=1).flatten().tolist()


# What ONNX Runtime 1.32 gives for the same files and `wave`, with columns and rows swapped as the files want them.
# fmt: off
PROPOSED = [
    0.99994, 0.99992, 0.00006, 0.00008,
    0.38669, 0.36125, -0.07952, 0.11392, -0.24278, -0.28498, -0.07052, 0.08362,
]
REFINED = [1.0, 0.0, -0.08218, -0.12769, 0.10701, 0.42786]
OUTPUT = [
    0.99974, 0.00026, 0.02405, -0.18759, -0.01532, 0.02083,
    0.27427, 0.65746, 0.47432, 0.37183, 0.67835, 0.27001, 0.17599, 0.50529, 0.78879, 0.74058,
]
# fmt: on


def test_each_network_computes_what_its_file_says(networks: Mtcnn) -> None:
    assert answers(networks.propose, wave(14, 12)) == pytest.approx(PROPOSED, abs=2e-5)
    assert answers(networks.refine, wave(24, 24)) == pytest.approx(REFINED, abs=2e-5)
    assert answers(networks.output, wave(48, 48)) == pytest.approx(OUTPUT, abs=2e-5)


def test_the_networks_are_frozen(networks: Mtcnn) -> None:
    for network in (networks.propose, networks.refine, networks.output):
        assert not any(p.requires_grad for p in network.parameters())
        assert not network.training


def test_initialisers_have_their_names_and_shapes(folder: Path) -> None:
    found = read_initialisers(folder / "pnet.onnx")
    assert found["conv2d/kernel:0"].shape == (10, 3, 3, 3)
    assert found["p_re_lu_initializer_8"].shape == (1, 10, 1, 1)
    assert len(found) == 13


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    for name in ("pnet", "rnet", "onet"):
        shutil.copy(folder / f"{name}.onnx", tmp_path)
    return tmp_path


@pytest.mark.parametrize("num_bytes", [1, 100, 20_000, 28_828])
def test_a_torn_file_is_named(copied: Path, num_bytes: int) -> None:
    path = copied / "pnet.onnx"
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(UserError, match=r"pnet\.onnx: (is torn|holds no weights|holds another network)"):
        load_mtcnn(copied)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x00" * 64])
def test_another_kind_of_file_is_named(copied: Path, content: bytes) -> None:
    (copied / "rnet.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"rnet\.onnx"):
        load_mtcnn(copied)


def test_files_mixed_up_are_noticed(copied: Path) -> None:
    shutil.copy(copied / "rnet.onnx", copied / "onet.onnx")
    with pytest.raises(UserError, match=r"onet\.onnx: holds another network than MTCNN's onet"):
        load_mtcnn(copied)


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "onet.onnx").unlink()
    with pytest.raises(UserError, match=r"onet\.onnx: cannot be read"):
        load_mtcnn(copied)
