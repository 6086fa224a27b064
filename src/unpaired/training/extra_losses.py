"""The losses that go with every model, with their pretrained networks. What is off loads nothing and costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from unpaired.layers.share import Share
from unpaired.losses.config import LossesConfig
from unpaired.models.base import Batch, Outputs, Way
from unpaired.training.terms import Terms

if TYPE_CHECKING:
    from unpaired.training.face_loss import FaceIdentity, Faces
    from unpaired.training.perceptual_loss import PerceptualDistance


class ExtraLosses:
    """The losses of `LossesConfig` that are on. They have no weights to train, so no checkpoint knows of them."""

    def __init__(self, config: LossesConfig, device: torch.device) -> None:
        """Load the networks. Raises `UserError` for one that is not on this machine."""
        self.face = _face_identity(config, device)
        self.perceptual = _perceptual_distance(config, device)

    def terms(self, outputs: Outputs[Way], batch: Batch, faces: Faces | None, share: Share, step: int) -> Terms:
        """The terms of the generator update after `step` updates."""
        found = Terms()
        if self.face is not None and faces is not None:
            found |= self.face.terms(outputs, batch, faces, share, step)
        if self.perceptual is not None:
            found |= self.perceptual.terms(outputs, batch, step)
        return found

    @property
    def networks(self) -> list[nn.Module]:
        """The pretrained networks that were loaded."""
        found: list[nn.Module] = []
        if self.face is not None:
            found.append(self.face.embedder)
        if self.perceptual is not None:
            found.append(self.perceptual.network)
        return found

    def weights(self, step: int) -> dict[str, float]:
        """The weight of each term at `step`."""
        losses = [loss for loss in (self.face, self.perceptual) if loss is not None]
        return {name: weight for loss in losses for name, weight in loss.weights(step).items()}


def network_names(config: LossesConfig) -> list[str]:
    """The pretrained networks that `config` needs, by their names in `unpaired weights list`."""
    return [section.network for section in (config.face, config.perceptual) if section is not None and section.is_on]


def _face_identity(config: LossesConfig, device: torch.device) -> FaceIdentity | None:
    if config.face is None or not config.face.is_on:
        return None
    from unpaired.faces.embedder import load_embedder
    from unpaired.training.face_loss import FaceIdentity

    return FaceIdentity(config.face, load_embedder(config.face.network).to(device))


def _perceptual_distance(config: LossesConfig, device: torch.device) -> PerceptualDistance | None:
    if config.perceptual is None or not config.perceptual.is_on:
        return None
    from unpaired.pretrained.vgg16 import load_vgg16
    from unpaired.training.perceptual_loss import PerceptualDistance

    network = load_vgg16(config.perceptual.network, has_fourth_pool=False)  # the reference code has none either
    return PerceptualDistance(config.perceptual, network.to(device))
