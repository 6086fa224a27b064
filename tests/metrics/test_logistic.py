"""Logistic regression against Newton's method in numpy, and cross-validation against a second run by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unpaired.metrics.logistic import MAX_FOLDS, PENALTIES, cross_validated, fit


def drawn(num: int = 60, dim: int = 3, shift: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three classes that overlap, on axes of different scale."""
    rng = torch.Generator().manual_seed(seed)
    targets = torch.arange(num) % 3
    centres = torch.randn(3, dim, generator=rng) * shift
    scale = torch.tensor([100.0, 1.0, 0.01])[:dim]
    return (centres[targets] + torch.randn(num, dim, generator=rng)) * scale + 5, targets


def newton(x: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Class probabilities (N, C) of the fit, with a step on all weights at once until it stands still."""
    x = (x - x.mean(axis=0)) / x.std(axis=0) / np.sqrt(x.shape[1])
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    num, dim = x.shape
    classes = targets.max() + 1
    one_hot = np.eye(classes)[targets]
    penalties = np.tile(np.r_[np.full(dim - 1, penalty), 1e-9], classes)  # a trace on the bias: it has no scale
    weights = np.zeros(classes * dim)
    for _ in range(50):
        scores = x @ weights.reshape(classes, dim).T
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = ((p - one_hot).T @ x / num).ravel() + penalties * weights
        blocks = [
            [((p[:, i] * ((i == j) - p[:, j]))[:, None] * x).T @ x / num for j in range(classes)]
            for i in range(classes)
        ]
        weights -= np.linalg.solve(np.block(blocks) + np.diag(penalties), gradient)
    assert np.abs(gradient).max() < 1e-10
    return p


@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_it_is_newtons_solution(penalty: float) -> None:
    features, targets = drawn()
    found = fit(features, targets, penalty=penalty, num_classes=3).probabilities(features)
    expected = newton(features.double().numpy(), targets.numpy(), penalty)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_a_feature_that_never_changes_does_no_harm() -> None:
    features, targets = drawn()
    with_constant = torch.cat([features, torch.full((60, 1), 7.0)], dim=1)
    found = fit(with_constant, targets, penalty=1e-2, num_classes=3).probabilities(with_constant)
    assert torch.isfinite(found).all()
    assert (found.argmax(dim=1) == targets).float().mean() > 0.5


def test_cross_validation_by_hand() -> None:
    """The chosen penalty has the least held-out loss of all, with folds in which every class has its part."""
    features, targets = drawn(31)
    penalty, correct = cross_validated(features, targets, seed=3)
    rng = torch.Generator().manual_seed(3)
    folds = torch.empty_like(targets)
    for label in range(3):
        rows = torch.tensor([row for row in range(31) if targets[row] == label])
        for place, chosen in enumerate(torch.randperm(len(rows), generator=rng)):
            folds[rows[chosen]] = place % MAX_FOLDS
    losses = {}
    for candidate in PENALTIES:
        right, loss = torch.zeros(31, dtype=torch.bool), 0.0
        for fold in range(MAX_FOLDS):
            fitted = fit(features[folds != fold], targets[folds != fold], penalty=candidate, num_classes=3)
            for row in (folds == fold).nonzero()[:, 0].tolist():
                p = fitted.probabilities(features[row : row + 1])[0]
                loss -= float(p[targets[row]].log())
                right[row] = p.argmax() == targets[row]
        losses[candidate] = (loss, right)
    best = min(losses, key=lambda candidate: losses[candidate][0])
    assert penalty == best
    assert torch.equal(correct, losses[best][1])


def test_accuracy_where_there_is_nothing_to_learn_is_chance() -> None:
    """Random features, more than pictures: the fit is perfect, what is held out is not."""
    features = torch.randn(90, 200, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(90) % 3
    fitted = fit(features, targets, penalty=1e-4, num_classes=3)
    assert (fitted.logits(features).argmax(dim=1) == targets).all()
    assert 0.15 < cross_validated(features, targets, seed=0)[1].float().mean() < 0.5


def test_two_pictures_of_a_class_are_enough() -> None:
    features = torch.tensor([[0.0], [0.1], [5.0], [5.1], [5.2]])
    targets = torch.tensor([0, 0, 1, 1, 1])
    assert cross_validated(features, targets, seed=0)[1].all()
