from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from unpaired.data.faces import FaceBoxes
from unpaired.faces.embedder import FaceEmbedder, FaceNetwork
from unpaired.layers.share import Share
from unpaired.losses.config import FaceConfig
from unpaired.models.base import Batch, Outputs, Way
from unpaired.training.face_loss import FaceIdentity, Faces
from unpaired.training.terms import Observed

SIZE = 16
ALONE = Share(torch.Generator())


class Quadrants(nn.Module):
    """A toy face network: the unit vector of the mean red of the four quadrants."""

    def forward(self, x):
        reds = nn.functional.avg_pool2d(x[:, :1] + 2, x.shape[-1] // 2).flatten(1)
        return nn.functional.normalize(reds)


def identity(**changes) -> FaceIdentity:
    facts = FaceNetwork(
        size_px=8, dim=4, margin=0.0, same_person_below=0.1, to_input=lambda x: x, load=lambda path: Quadrants()
    )
    config = FaceConfig(**{"ramp_steps": 0, "margin": 0.0, **changes})
    return FaceIdentity(config, FaceEmbedder(Quadrants(), facts, "toy"))


def pictures(seed: int, num: int = 2):
    return torch.rand(num, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def boxes(*present: bool) -> FaceBoxes:
    return FaceBoxes(torch.tensor([[0.0, 0.0, 16.0, 16.0]] * len(present)), torch.tensor(present))


@pytest.fixture
def batch() -> Batch:
    return Batch(pictures(1), pictures(2))


def distances(before, after):
    """With Pillow's resampling and loops, apart from the code."""
    found = []
    for pair in zip(before, after, strict=True):
        vectors = []
        for picture in pair:
            small = Image.fromarray(picture[0].numpy() + 2).resize((8, 8), Image.Resampling.BILINEAR)
            crop = np.asarray(small)
            reds = np.array([crop[i : i + 4, j : j + 4].mean() for i in (0, 4) for j in (0, 4)])
            vectors.append(reds / np.linalg.norm(reds))
        found.append(((vectors[0] - vectors[1]) ** 2).sum())
    return np.array(found)


def translations(of_a: torch.Tensor, of_b: torch.Tensor) -> Outputs[Way]:
    return Outputs({"a": Way(of_a), "b": Way(of_b)})


def test_a_picture_that_stays_itself_has_no_distance(batch):
    outputs = translations(batch.x_a, batch.x_b)
    terms = identity().terms(outputs, batch, Faces(boxes(True, True), boxes(True, True)), ALONE, 0)
    assert {name: float(value) for name, value in terms.losses.items()} == pytest.approx({"face_a": 0, "face_b": 0})


def test_the_term_is_the_mean_distance_over_the_pictures_with_a_face(batch):
    outputs = translations(pictures(3), pictures(4))
    terms = identity().terms(outputs, batch, Faces(boxes(True, False), boxes(True, True)), ALONE, 0)
    expected_b, expected_a = (
        distances(batch.x_a, outputs.translated("b")),
        distances(batch.x_b, outputs.translated("a")),
    )
    assert float(terms.losses["face_b"]) == pytest.approx(float(expected_b[0]), rel=1e-4)
    assert float(terms.losses["face_a"]) == pytest.approx(float(expected_a.mean()), rel=1e-4)


def test_pictures_without_a_face_are_counted_and_get_no_gradient(batch):
    translated = pictures(3).requires_grad_()
    terms = identity().terms(
        translations(translated, pictures(4)), batch, Faces(boxes(True, False), boxes(False, False)), ALONE, 0
    )
    sum(terms.losses.values()).backward()
    assert translated.grad[0].abs().sum() > 0
    assert translated.grad[1].abs().sum() == 0
    assert terms.observed["face/without_b"].sums().tolist() == [1, 2]
    assert terms.observed["face/without_a"].sums().tolist() == [2, 2]
    assert terms.observed["face/distance_a"].sums().tolist() == [0, 0]
    assert float(terms.losses["face_a"]) == 0


def test_the_gradient_goes_through_the_translation_alone(batch):
    source = Batch(batch.x_a.requires_grad_(), batch.x_b)
    translated = pictures(3).requires_grad_()
    terms = identity().terms(translations(translated, pictures(4)), source, Faces(boxes(True, True)), ALONE, 0)
    terms.losses["face_b"].backward()
    assert source.x_a.grad is None
    assert translated.grad is not None


def test_one_picture_alone_counts_as_it_does_among_others(batch):
    """The first code of this kind took batches of one picture only."""
    outputs = translations(pictures(3), pictures(4))
    faces = Faces(boxes(True, True), boxes(True, True))
    together = identity().terms(outputs, batch, faces, ALONE, 0).losses["face_b"]
    alone = [
        identity()
        .terms(
            translations(outputs.translated("b")[i : i + 1], outputs.translated("a")[i : i + 1]),
            Batch(batch.x_a[i : i + 1], batch.x_b[i : i + 1]),
            Faces(boxes(True), boxes(True)),
            ALONE,
            0,
        )
        .losses["face_b"]
        for i in range(2)
    ]
    assert float(together) == pytest.approx(float(torch.stack(alone).mean()))


def test_a_direction_with_weight_0_is_not_computed(batch):
    loss = identity(weight_ba=0.0)
    terms = loss.terms(translations(pictures(3), pictures(4)), batch, Faces(boxes(True, True)), ALONE, 0)
    assert set(terms.losses) == {"face_b"}


def test_the_weights_grow_over_the_ramp():
    loss = identity(weight_ab=10.0, weight_ba=((4, 20.0),), ramp_steps=10)
    assert [loss.weights(step) for step in (0, 4, 9, 500)] == [
        pytest.approx({"face_b": 1.0, "face_a": 0.0}),
        pytest.approx({"face_b": 5.0, "face_a": 10.0}),
        pytest.approx({"face_b": 10.0, "face_a": 20.0}),
        pytest.approx({"face_b": 10.0, "face_a": 20.0}),
    ]


def test_pairs_below_the_hinge_are_left_alone(batch):
    outputs = translations(pictures(3), pictures(4))
    faces = Faces(boxes(True, True), boxes(True, True))
    raw = identity().terms(outputs, batch, faces, ALONE, 0)
    terms = identity(hinge=3.9).terms(outputs, batch, faces, ALONE, 0)
    assert float(raw.losses["face_b"]) > 0
    assert float(terms.losses["face_b"]) == 0
    assert torch.equal(terms.observed["face/distance_b"].values, raw.observed["face/distance_b"].values)


def test_centered_embeddings_forget_what_the_domains_differ_in(batch):
    """Every face of b is a face of a in another light: the distance between the domains' means is taken out."""
    light = torch.zeros(3, SIZE, SIZE)
    light[0, :, : SIZE // 2] = 3.0
    real = Batch(batch.x_a, batch.x_a + light)
    faces = Faces(boxes(True, True), boxes(True, True))
    outputs = translations(batch.x_a + light, pictures(4))
    loss = identity(centered=True)
    loss.center_on([(real, faces)])
    centered = float(loss.terms(outputs, real, faces, ALONE, 0).losses["face_b"])
    raw = float(identity().terms(outputs, real, faces, ALONE, 0).losses["face_b"])
    assert raw > 0.05
    assert centered < raw / 2


def test_verified_is_the_share_below_the_networks_threshold(batch):
    outputs = translations(torch.stack([batch.x_a[0], -batch.x_a[1]]), batch.x_b)
    observed = identity().terms(outputs, batch, Faces(boxes(True, True), boxes(True, True)), ALONE, 0).observed
    expected = distances(batch.x_a, outputs.translated("b")) < 0.1
    assert observed["face/verified_b"].sums().tolist() == [expected.sum(), 2]
    assert observed["face/verified_a"].sums().tolist() == [2, 2]


def test_what_does_not_count_may_be_anything():
    observed = Observed(torch.tensor([1.0, float("nan"), 3.0]), torch.tensor([1.0, 0.0, 1.0]))
    assert observed.sums().tolist() == [4, 2]
