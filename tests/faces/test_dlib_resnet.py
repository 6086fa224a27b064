"""dlib's face network against face-api, the code that its weights come from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from unpaired.errors import UserError
from unpaired.faces.dlib_resnet import MANIFEST, DlibFaceResNet, load_dlib_face

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "dlib_face"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a narrow network: its manifest and its three binary files."""
    shutil.copy(GOLDEN / "weights_manifest.json", tmp_path / MANIFEST)
    with np.load(GOLDEN / "golden.npz") as golden:
        for name in ("one", "two", "three"):
            (tmp_path / f"{name}.bin").write_bytes(golden[name].tobytes())
    return tmp_path


@pytest.fixture
def pictures() -> Tensor:
    """The two pictures that face-api was given, (2, 3, 150, 150) in [0, 255]."""
    n, c, y, x = np.meshgrid(np.arange(2), np.arange(3), np.arange(150), np.arange(150), indexing="ij")
    return torch.from_numpy((3 * x + 5 * y + 40 * c + n * (x * y // 7) + n * 60) % 256).float()


def test_it_computes_what_face_api_computes(folder: Path, pictures: Tensor) -> None:
    with np.load(GOLDEN / "golden.npz") as golden:
        expected = torch.from_numpy(golden["embeddings"])
    with torch.no_grad():
        torch.testing.assert_close(load_dlib_face(folder)(pictures), expected, rtol=1e-5, atol=1e-5)


def test_its_parameters_are_those_of_dlibs_network(folder: Path) -> None:
    network = load_dlib_face(folder)
    assert sum(len(block.state_dict()) // 2 for block in network.blocks) + 1 == 29  # convolutions
    assert network.dim == 8


def test_a_picture_is_described_alone(folder: Path, pictures: Tensor) -> None:
    network = load_dlib_face(folder)
    torch.testing.assert_close(network(pictures)[1:], network(pictures[1:]))


def test_a_missing_file(folder: Path) -> None:
    (folder / "two.bin").unlink()
    with pytest.raises(UserError, match=r"two\.bin: there is no such file"):
        load_dlib_face(folder)


def test_a_torn_file(folder: Path) -> None:
    (folder / "three.bin").write_bytes((folder / "three.bin").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"its tensors need [\d,]+ bytes, its files hold [\d,]+"):
        load_dlib_face(folder)


def test_another_network(folder: Path) -> None:
    groups = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    groups[1]["weights"][-1]["name"] = "dense"
    (folder / MANIFEST).write_text(json.dumps(groups), encoding="utf-8")
    with pytest.raises(UserError, match="is not dlib's face recognition network"):
        load_dlib_face(folder)


def test_there_is_nothing_hidden_in_training_mode(folder: Path, pictures: Tensor) -> None:
    network: DlibFaceResNet = load_dlib_face(folder)
    torch.testing.assert_close(network.train()(pictures), network.eval()(pictures))
