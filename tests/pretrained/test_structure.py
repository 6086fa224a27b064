"""What tells files without a checksum apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unpaired.errors import UserError
from unpaired.pretrained import store
from unpaired.pretrained.structure import FACENET_ENDS, caffe_vgg16, facenet_checkpoint


def test_a_checkpoint_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = "unpaired.tensorflow_files.checkpoint"
    monkeypatch.setattr(f"{checkpoint}.find_prefix", lambda folder: folder / "model")
    monkeypatch.setattr(f"{checkpoint}.read_checkpoint", lambda _: {FACENET_ENDS[0]: None, "generator/w": None})
    with pytest.raises(UserError, match="InceptionResnetV1/Bottleneck/weights is not among its 2 variables"):
        facenet_checkpoint(tmp_path)
    monkeypatch.setattr(f"{checkpoint}.read_checkpoint", lambda _: dict.fromkeys(FACENET_ENDS))
    facenet_checkpoint(tmp_path)


def test_an_empty_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no TensorFlow checkpoint"):
        facenet_checkpoint(tmp_path)


def test_a_state_dict_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "vgg16.weight"
    torch.save({"conv1.weight": torch.zeros(1)}, wrong)
    with pytest.raises(UserError, match="is not a VGG16: holds 0 of its 13 convolutions"):
        caffe_vgg16(wrong)
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="holds 0 of its 13 convolutions"):
        store.get("vgg16-caffe", wrong)
    assert not (tmp_path / "cache" / "vgg16-caffe" / "vgg16.weight").exists()
