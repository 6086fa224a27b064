from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow_writer as writer
import torch
from facenet_files import Tensors, embeddings, random_tensors, tensorflow_tensors, write_graph
from torch import Tensor

from unpaired.errors import UserError
from unpaired.faces.facenet_weights import load_facenet

GOLDEN = Path(__file__).parent.parent / "golden"
SIZE_PX = 80
FaceNetFile = Callable[[Tensors, Path], Path]


def as_state_dict(tensors: Tensors, folder: Path) -> Path:
    torch.save(tensors, folder / "facenet.pt")
    return folder / "facenet.pt"


def as_graph(tensors: Tensors, folder: Path) -> Path:
    write_graph(folder / "facenet.pb", tensorflow_tensors(tensors))
    return folder / "facenet.pb"


def as_checkpoint(tensors: Tensors, folder: Path) -> Path:
    """With what else some releases saved: averages, slots, and the head of the classifier."""
    arrays = tensorflow_tensors(tensors)
    stem = "InceptionResnetV1/Conv2d_1a_3x3/weights"
    extra = {f"{stem}/{slot}": arrays[stem] * 0 for slot in ("ExponentialMovingAverage", "RMSProp")}
    writer.write_checkpoint(folder / "model-20180408.ckpt-90", arrays | extra | {"Logits/biases": arrays[stem]})
    return folder


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return random_tensors()


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(2, 3, SIZE_PX, SIZE_PX, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def expected(tensors: Tensors, x: Tensor) -> Tensor:
    return embeddings(tensors, x)


def light(tensors: Tensors) -> Tensors:
    """Tensors of the same shapes that take next to no room in a file."""
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in tensors.items()}


@pytest.mark.parametrize("write", [as_state_dict, as_graph, as_checkpoint])
def test_every_format_gives_the_same_embeddings(
    write: FaceNetFile, tensors: Tensors, x: Tensor, expected: Tensor, tmp_path: Path
) -> None:
    network = load_facenet(write(tensors, tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(network(x).double(), expected, rtol=0, atol=1e-5)


def test_batch_norms_with_a_scale_are_folded_too(tensors: Tensors, x: Tensor, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(2)
    scaled = {
        name: 0.5 + torch.rand(tensor.shape, generator=rng) if name.endswith("bn.weight") else tensor
        for name, tensor in tensors.items()
        if not name.endswith("num_batches_tracked")  # which old files lack
    }
    network = load_facenet(as_state_dict(scaled, tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(network(x).double(), embeddings(scaled, x), rtol=0, atol=1e-5)


def test_older_networks_of_128_numbers_are_loaded(tmp_path: Path) -> None:
    assert load_facenet(as_state_dict(light(random_tensors(dim=128)), tmp_path)).dim == 128


class TestOtherFiles:
    def test_missing_files(self, tmp_path: Path) -> None:
        for name in ("absent.pt", "absent.pb", "absent"):
            with pytest.raises(UserError, match=rf"{name}.*: there is no such file"):
                load_facenet(tmp_path / name)

    def test_a_state_dict_of_another_network(self, tmp_path: Path) -> None:
        torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pt")
        with pytest.raises(UserError, match=r"is not FaceNet's.*conv2d_1a\.conv\.weight.*it holds conv\.weight") as e:
            load_facenet(tmp_path / "other.pt")
        assert "facenet-pytorch's .pt file" in str(e.value)

    def test_a_checkpoint_of_networks(self, tmp_path: Path) -> None:
        torch.save({"genA2B": {"w": torch.zeros(1)}, "genB2A": {}}, tmp_path / "ugatit.pt")
        with pytest.raises(UserError, match=r"ugatit\.pt: is not FaceNet's Inception-ResNet-v1: it holds genA2B"):
            load_facenet(tmp_path / "ugatit.pt")

    def test_a_torn_state_dict(self, tensors: Tensors, tmp_path: Path) -> None:
        path = as_state_dict(light(tensors), tmp_path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(UserError, match=r"facenet\.pt: is torn or not a PyTorch file of tensors"):
            load_facenet(path)

    def test_a_torn_graph(self, tensors: Tensors, tmp_path: Path) -> None:
        arrays = tensorflow_tensors(tensors)
        write_graph(tmp_path / "facenet.pb", {name: arrays[name] for name in list(arrays)[:40]})
        whole = (tmp_path / "facenet.pb").read_bytes()
        (tmp_path / "facenet.pb").write_bytes(whole[:-1000])
        with pytest.raises(UserError, match=r"facenet\.pb: is torn or not a frozen TensorFlow graph"):
            load_facenet(tmp_path / "facenet.pb")
        (tmp_path / "facenet.pb").write_bytes(whole)  # cut between two constants: what is missing is named
        with pytest.raises(UserError, match=r"is not FaceNet's.*weights.* and \d+ more missing"):
            load_facenet(tmp_path / "facenet.pb")

    def test_a_graph_of_another_network(self) -> None:
        with pytest.raises(UserError, match=r"frozen\.pb: is not FaceNet's.* it holds weights, same_throughout"):
            load_facenet(GOLDEN / "tensorflow_files" / "frozen.pb")

    def test_a_checkpoint_of_another_network(self) -> None:
        folder = GOLDEN / "tensorflow_files" / "plain"
        with pytest.raises(UserError, match=r"no variable of model\.ckpt-3 starts with InceptionResnetV1/"):
            load_facenet(folder)

    def test_a_folder_with_no_or_two_checkpoints(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="holds no TensorFlow checkpoint"):
            load_facenet(tmp_path)
        for step in (1, 2):
            writer.write_checkpoint(tmp_path / f"model.ckpt-{step}", {})
        with pytest.raises(UserError, match=r"holds 2 TensorFlow checkpoints: model\.ckpt-1, model\.ckpt-2"):
            load_facenet(tmp_path)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("conv2d_1a.conv.weight", (32, 4, 3, 3)),
            ("conv2d_1a.bn.bias", (31,)),
            ("block8.conv2d.bias", (1, 1792)),
            ("last_linear.weight", (512, 1024)),
        ],
    )
    def test_a_tensor_of_another_shape(
        self, tensors: Tensors, tmp_path: Path, name: str, shape: tuple[int, ...]
    ) -> None:
        path = as_state_dict(light(tensors | {name: torch.zeros(shape)}), tmp_path)
        with pytest.raises(UserError, match=r"is not FaceNet.s .*: (kernel|shift|bias) of") as e:
            load_facenet(path)
        assert str(shape) in str(e.value)
