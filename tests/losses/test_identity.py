from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from unpaired.losses.identity import face_identity_loss


def embeddings(count: int, seed: int) -> Tensor:
    return normalize(torch.randn(count, 16, generator=torch.Generator().manual_seed(seed)))


EVERYBODY = torch.ones(4, dtype=torch.bool)


def test_it_is_twice_one_minus_the_cosine() -> None:
    source, translated = embeddings(4, 0), embeddings(4, 1)
    expected = 2 * (1 - cosine_similarity(source, translated)).mean()
    assert face_identity_loss(source, translated, EVERYBODY) == pytest.approx(float(expected), abs=1e-6)


def test_known_values() -> None:
    e = torch.eye(2)
    assert face_identity_loss(e, e, EVERYBODY[:2]) == 0
    assert face_identity_loss(e, -e, EVERYBODY[:2]) == 4
    assert face_identity_loss(e, e.flip(0), EVERYBODY[:2]) == 2
    assert face_identity_loss(e, e.flip(0), EVERYBODY[:2], hinge=0.5) == 1.5


def test_samples_without_a_face_count_for_nothing() -> None:
    source, translated = embeddings(4, 0), embeddings(4, 1).requires_grad_()
    present = torch.tensor([True, False, True, False])
    loss = face_identity_loss(source, translated, present)
    assert loss.item() == pytest.approx(face_identity_loss(source[::2], translated[::2], EVERYBODY[:2]).item())
    loss.backward()
    assert translated.grad is not None
    assert (translated.grad.abs().sum(dim=1) > 0).tolist() == present.tolist()


def test_without_any_face_it_is_zero_and_can_still_be_differentiated() -> None:
    translated = embeddings(4, 1).requires_grad_()
    loss = face_identity_loss(embeddings(4, 0), translated, ~EVERYBODY)
    loss.backward()
    assert loss == 0
    assert translated.grad is not None
    assert not translated.grad.any()


def test_the_source_is_a_fixed_target() -> None:
    source, translated = embeddings(4, 0).requires_grad_(), embeddings(4, 1).requires_grad_()
    face_identity_loss(source, translated, EVERYBODY).backward()
    assert source.grad is None
    assert translated.grad is not None


def test_pairs_nearer_than_the_hinge_are_left_alone() -> None:
    source = torch.eye(2)
    translated = torch.tensor([[0.8, 0.6], [1.0, 0.0]], requires_grad=True)  # squared distances 0.4 and 2
    loss = face_identity_loss(source, translated, EVERYBODY[:2], hinge=1.0)
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert translated.grad is not None
    assert translated.grad[0].tolist() == [0, 0]
    assert translated.grad[1].any()


def test_parts_of_a_batch_divided_by_their_share_of_its_faces_average_to_the_whole_batch():
    e = torch.eye(4)
    present = torch.tensor([True, True, True, False])
    whole = face_identity_loss(e, e.flip(0) * 0.5, present)
    parts = [
        face_identity_loss(e[at], e.flip(0)[at] * 0.5, present[at], num_counted=present.sum() / 2)
        for at in (slice(0, 2), slice(2, 4))
    ]
    assert float(torch.stack(parts).mean()) == pytest.approx(float(whole))
