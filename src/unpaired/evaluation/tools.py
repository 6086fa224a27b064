"""The networks that metrics look through, loaded when they are first needed and used by all candidates."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.images import scaled
from unpaired.errors import UserError
from unpaired.evaluation.settings import Settings
from unpaired.faces.embedder import EmbedderName, FaceEmbedder, load_embedder
from unpaired.metrics.classifier import ModeClassifier, train_mode_classifier
from unpaired.metrics.distances import PictureDistance, default_distance, load_distance
from unpaired.metrics.features import FeatureNetwork, default_feature_network, features_of, load_feature_network

BATCH_SIZE = 16
FACE_NETWORKS_TO_ASK: tuple[EmbedderName, ...] = ("dlib-face", "facenet-vggface2", "facenet-casia")


class Tools:
    """Networks on one device. Features of the same pictures are computed once."""

    def __init__(
        self, settings: Settings, device: torch.device, *, face_networks_of_losses: tuple[str, ...] = ()
    ) -> None:
        self.settings = settings
        self.device = device
        self.face_networks_of_losses = face_networks_of_losses
        self._classifiers: dict[DataConfig, ModeClassifier] = {}
        self._features: list[tuple[weakref.ref[Tensor], Tensor]] = []

    @cached_property
    def feature_network(self) -> FeatureNetwork:
        """The network whose features are compared. Raises `UserError` when its weights are not here."""
        return load_feature_network(self.settings.features or default_feature_network()).to(self.device)

    @cached_property
    def distance(self) -> PictureDistance:
        """The distance of two pictures. Raises `UserError` when its weights are not here."""
        return load_distance(self.settings.distance or default_distance()).to(self.device)

    @cached_property
    def face_embedder(self) -> FaceEmbedder:
        """A face network that no model was trained with. Raises `UserError` when none is here."""
        allowed = [name for name in FACE_NETWORKS_TO_ASK if name not in self.face_networks_of_losses]
        errors = []
        for name in allowed:
            try:
                return load_embedder(name).to(self.device)
            except UserError as error:
                errors.append(error)
        if not errors:
            raise UserError("the models were trained with every face network that could be asked", "Ask people.")
        raise errors[0]

    def mode_classifier(self, view: DataConfig) -> ModeClassifier:
        """The classifier of the modes, for pictures prepared as `view` says. Raises `UserError`."""
        assert self.settings.modes is not None, "modes are measured where there are some"
        if view not in self._classifiers:
            network, seed = self.feature_network, self.settings.seed
            with torch.inference_mode(False), torch.enable_grad():  # it is fitted here, among what only measures
                self._classifiers[view] = train_mode_classifier(
                    self.settings.modes, view, network, seed=seed, device=self.device
                )
        return self._classifiers[view]

    def missing(self, need: str) -> UserError | None:
        """Why a network for `need` (features, distance, faces) cannot be had; None when it can. It is loaded then."""
        attributes = {"features": "feature_network", "distance": "distance", "faces": "face_embedder"}
        try:
            if need in attributes:
                getattr(self, attributes[need])
        except UserError as error:
            return error
        return None

    def features(self, pictures: Tensor) -> Tensor:
        """The features (N, D) of `pictures` (N, 3, H, W) in bytes."""
        self._features = [(ref, found) for ref, found in self._features if ref() is not None]
        for ref, found in self._features:
            if ref() is pictures:
                return found
        starts = range(0, len(pictures), BATCH_SIZE)
        batches = (scaled(pictures[start : start + BATCH_SIZE]) for start in starts)
        features = features_of(self.feature_network, batches, self.device)
        self._features.append((weakref.ref(pictures), features))
        return features

    def per_input(self, measure: Callable[..., Tensor], *pictures: Tensor) -> Tensor:
        """`measure` of all `pictures`, tensors of bytes whose first dimension is the inputs, a few inputs at a time.

        It gets float tensors in [-1, 1] on the device and gives one row for each input.
        """
        return torch.cat([measure(*parts).cpu() for parts in self._parts(*pictures)])

    def _parts(self, *pictures: Tensor) -> Iterator[tuple[Tensor, ...]]:
        per_input = max(p[0].numel() // (3 * p.shape[-1] * p.shape[-2]) for p in pictures)
        step = max(1, BATCH_SIZE // per_input)
        for start in range(0, len(pictures[0]), step):
            yield tuple(scaled(p[start : start + step]).to(self.device) for p in pictures)
