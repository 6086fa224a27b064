"""A classifier of the modes of a domain (breeds, kinds, colours), trained on a folder with a sub-folder for each mode.

The Conditional Inception Score needs one: ImageNet's classes are seldom the modes of a domain. MUNIT's paper fine-tuned
Inception-v3. Here a pretrained network's features stay as they are and a linear classifier is fitted to them: it has
one best solution, is found in seconds, and dozens of pictures a mode are enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.images import scaled
from unpaired.metrics.bootstrap import Estimate, mean_estimate
from unpaired.metrics.checks import check_styles
from unpaired.metrics.labelled_folder import LabelledPictures, open_labelled
from unpaired.metrics.logistic import LinearClassifier, cross_validated, fit

BATCH_SIZE = 16


class PictureFeatures(Protocol):
    """What is asked of the network below the classifier: a `FeatureNetwork` of `unpaired.metrics.features`."""

    @property
    def label(self) -> str:
        """What people read."""
        ...

    @property
    def recipe(self) -> Mapping[str, str]:
        """Network, resizing, normalisation."""
        ...

    def features(self, x: Tensor) -> Tensor:
        """(N, D) for pictures `x` (N, 3, H, W) in [-1, 1] on the network's device."""
        ...


@dataclass(frozen=True, kw_only=True)
class ModeClassifier:
    """Tells the modes `labels` apart, in their order.

    `accuracy` is that on pictures that were not fitted (cross-validation), with its interval, and `chance` what always
    naming the most frequent mode gives. `counts` has the number of labelled pictures of each mode.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    accuracy: Estimate
    chance: float
    penalty: float
    network: PictureFeatures
    device: torch.device
    linear: LinearClassifier

    @property
    def recipe(self) -> dict[str, str | int | float]:
        """What has to be the same for two scores to be comparable."""
        modes = ", ".join(f"{label} ({count})" for label, count in zip(self.labels, self.counts, strict=True))
        return {
            "classifier": f"logistic regression on {self.network.label}, L2 {self.penalty:g}",
            "modes": modes,
            "accuracy": f"{self.accuracy.value:.3f} (cross-validated; chance {self.chance:.3f})",
            **{f"features, {name}": text for name, text in self.network.recipe.items()},
        }

    @torch.no_grad()
    def probabilities(self, pictures: Tensor) -> Tensor:
        """p(mode | picture) (N, S, C) for `pictures` (N, S, 3, H, W) in [-1, 1]. On the CPU. Raises `UsageError`."""
        check_styles(pictures)
        flat = pictures.flatten(0, 1)
        batches = (flat[start : start + BATCH_SIZE] for start in range(0, len(flat), BATCH_SIZE))
        found = self.linear.probabilities(_features(self.network, batches, self.device))
        return found.reshape(*pictures.shape[:2], -1)


@torch.no_grad()
def train_mode_classifier(
    folder: Path, view: DataConfig, network: PictureFeatures, *, seed: int, device: torch.device
) -> ModeClassifier:
    """The classifier of the sub-folders of `folder`, each of which holds the pictures of one mode, named after it.

    `view` says how pictures are resized and cropped: as the translations that are to be classified. `network` lies on
    `device`. The penalty that predicts pictures outside the fit best, of `PENALTIES`, is taken. Equal for equal
    `seed`. Raises `UserError` for fewer than two modes, fewer than two pictures of one, and pictures that cannot be
    read or are too small.
    """
    labelled = open_labelled(folder, view)
    features = _features(network, _batches(labelled, view), device)
    targets = torch.tensor(labelled.targets)
    penalty, correct = cross_validated(features, targets, seed=seed)
    return ModeClassifier(
        labels=labelled.labels,
        counts=labelled.counts,
        accuracy=mean_estimate(correct.double().numpy().astype(np.float64), seed=seed),
        chance=max(labelled.counts) / len(targets),
        penalty=penalty,
        network=network,
        device=device,
        linear=fit(features, targets, penalty=penalty, num_classes=len(labelled.labels)),
    )


def _batches(labelled: LabelledPictures, view: DataConfig) -> Iterator[Tensor]:
    paths: Sequence[Path] = labelled.paths
    for start in range(0, len(paths), BATCH_SIZE):
        yield scaled(labelled.read(paths[start : start + BATCH_SIZE], view))


def _features(network: PictureFeatures, batches: Iterator[Tensor], device: torch.device) -> Tensor:
    return torch.cat([network.features(batch.to(device)).cpu() for batch in batches])
