from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.images import read_picture, to_tensor
from unpaired.errors import UsageError
from unpaired.metrics.classifier import ModeClassifier, train_mode_classifier
from unpaired.metrics.logistic import fit

CPU = torch.device("cpu")
VIEW = DataConfig(size=(6, 6))
COLOURS = {"blue": (0, 0, 200), "green": (0, 160, 0), "red": (220, 0, 0)}
COUNTS = {"blue": 6, "green": 8, "red": 10}


class MeanColour:
    """A network whose features are the three channels' means."""

    label = "Mean colour"
    recipe = {"network": "mean colour", "resize": "none"}  # noqa: RUF012

    def features(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("modes"), np.random.default_rng(0)
    for label, colour in COLOURS.items():
        (folder / label).mkdir()
        for number in range(COUNTS[label]):
            noisy = np.clip(np.array(colour) + rng.normal(0, 40, (6, 6, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def classifier(folder: Path) -> ModeClassifier:
    return train_mode_classifier(folder, VIEW, MeanColour(), seed=0, device=CPU)


def test_modes_that_are_easy_to_tell_apart(classifier: ModeClassifier) -> None:
    assert classifier.labels == ("blue", "green", "red")
    assert classifier.counts == (6, 8, 10)
    assert classifier.accuracy.value == classifier.accuracy.low == 1
    assert classifier.chance == 10 / 24
    pictures = torch.stack([torch.tensor(c) / 127.5 - 1 for c in COLOURS.values()])[:, None, :, None, None]
    found = classifier.probabilities(pictures.expand(3, 2, 3, 6, 6))
    assert found.shape == (3, 2, 3)
    assert found.sum(dim=2).numpy() == pytest.approx(np.ones((3, 2)))
    assert found.argmax(dim=2).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_it_is_the_fit_to_the_features_of_all_pictures(classifier: ModeClassifier, folder: Path) -> None:
    paths = [path for label in COLOURS for path in sorted((folder / label).iterdir())]
    x = torch.stack([to_tensor(read_picture(path, (255, 255, 255))) for path in paths])
    targets = torch.tensor([i for i, count in enumerate(COUNTS.values()) for _ in range(count)])
    fitted = fit(x.mean(dim=(2, 3)), targets, penalty=classifier.penalty, num_classes=3)
    found = classifier.probabilities(x[:, None])[:, 0]
    torch.testing.assert_close(found, fitted.probabilities(x.mean(dim=(2, 3))), rtol=1e-4, atol=1e-6)


def test_equal_seeds_give_equal_classifiers(classifier: ModeClassifier, folder: Path) -> None:
    again = train_mode_classifier(folder, VIEW, MeanColour(), seed=0, device=CPU)
    assert torch.equal(again.linear.weight, classifier.linear.weight)
    assert again.recipe == classifier.recipe


def test_the_recipe_names_network_modes_and_accuracy(classifier: ModeClassifier) -> None:
    assert classifier.recipe["modes"] == "blue (6), green (8), red (10)"
    assert str(classifier.recipe["accuracy"]).startswith("1.000 (cross-validated; chance 0.417")
    assert "Mean colour" in str(classifier.recipe["classifier"])
    assert classifier.recipe["features, resize"] == "none"


def test_pictures_without_styles_and_folders_without_modes_are_refused(
    classifier: ModeClassifier, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="several styles"):
        classifier.probabilities(torch.zeros(2, 3, 6, 6))
    with pytest.raises(UsageError, match="no sub-folder holds pictures"):
        train_mode_classifier(tmp_path, VIEW, MeanColour(), seed=0, device=CPU)
