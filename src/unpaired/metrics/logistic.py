"""Multinomial logistic regression: a linear classifier whose numbers are probabilities (Bishop 2006, section 4.3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MAX_FOLDS = 5
_MAX_ITERATIONS = 500


@dataclass(frozen=True)
class LinearClassifier:
    """Class logits of features (N, D): ((features - mean) · scale) · weight + bias, in float64."""

    mean: Tensor  # (D,)
    scale: Tensor  # (D,)
    weight: Tensor  # (D, C)
    bias: Tensor  # (C,)

    def logits(self, features: Tensor) -> Tensor:
        """(N, C)."""
        return (features.double() - self.mean) * self.scale @ self.weight + self.bias

    def probabilities(self, features: Tensor) -> Tensor:
        """(N, C), with sums of 1."""
        return self.logits(features).softmax(dim=1)


def fit(features: Tensor, targets: Tensor, *, penalty: float, num_classes: int) -> LinearClassifier:
    """The classifier of `features` (N, D) that has the least mean cross-entropy + `penalty` / 2 · |weight|².

    `targets` (N,) are numbers of classes. Features are standardised and divided by √D: a penalty then means the same
    for all networks. The objective is convex, with one weight at its least; L-BFGS finds it, in float64.
    """
    x = features.double()
    mean, std = x.mean(dim=0), x.std(dim=0, unbiased=False)
    scale = 1 / (torch.where(std > 0, std, 1.0) * x.shape[1] ** 0.5)
    x = (x - mean) * scale
    weight = torch.zeros(x.shape[1], num_classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(num_classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MAX_ITERATIONS,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(x @ weight + bias, targets) + penalty / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]
    return LinearClassifier(mean, scale, weight.detach(), bias.detach())


def cross_validated(features: Tensor, targets: Tensor, *, seed: int) -> tuple[float, Tensor]:
    """The penalty of `PENALTIES` with the best cross-entropy outside the fit, and which (N,) it gets right there.

    The folds, drawn by `seed`, are five, or as many as the rarest class has pictures; each has its part of every class.
    """
    num_classes = int(targets.max()) + 1
    folds = _folds(targets, seed)
    losses, rights = [], []
    for penalty in PENALTIES:
        logits = torch.empty(len(targets), num_classes, dtype=torch.float64)
        for fold in range(int(folds.max()) + 1):
            held_out = folds == fold
            fitted = fit(features[~held_out], targets[~held_out], penalty=penalty, num_classes=num_classes)
            logits[held_out] = fitted.logits(features[held_out])
        losses.append(float(cross_entropy(logits, targets)))
        rights.append(logits.argmax(dim=1) == targets)
    best = min(range(len(PENALTIES)), key=losses.__getitem__)
    return PENALTIES[best], rights[best]


def _folds(targets: Tensor, seed: int) -> Tensor:
    """The fold (N,) of each picture."""
    rng = torch.Generator().manual_seed(seed)
    num_folds = min(MAX_FOLDS, int(targets.bincount().min()))
    folds = torch.empty_like(targets)
    for label in range(int(targets.max()) + 1):
        rows = (targets == label).nonzero()[:, 0]
        folds[rows[torch.randperm(len(rows), generator=rng)]] = torch.arange(len(rows)) % num_folds
    return folds
