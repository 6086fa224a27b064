"""Face identity while training: whose face is it, before and after the translation?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from unpaired.data.faces import FaceBoxes
from unpaired.faces.crop import crop_faces
from unpaired.faces.embedder import FaceEmbedder
from unpaired.layers.share import Share
from unpaired.losses.config import FaceConfig
from unpaired.losses.identity import face_identity_loss
from unpaired.models.base import DOMAINS, Batch, Domain, Outputs, Way, other
from unpaired.schedules import value_at
from unpaired.training.terms import Observed, Terms


@dataclass(frozen=True)
class Faces:
    """Where the faces of a batch are; None for a domain in which nobody looks for them."""

    a: FaceBoxes | None = None
    b: FaceBoxes | None = None

    def __getitem__(self, domain: Domain) -> FaceBoxes | None:
        return self.a if domain == "a" else self.b

    def to(self, device: torch.device) -> Faces:
        """The same boxes on `device`."""
        return Faces(*(boxes.to(device) if boxes is not None else None for boxes in (self.a, self.b)))


@dataclass(frozen=True)
class Centers:
    """The mean embedding (dim,) of the real faces of each domain."""

    a: Tensor
    b: Tensor

    def __getitem__(self, domain: Domain) -> Tensor:
        return self.a if domain == "a" else self.b


class FaceIdentity:
    """The terms `face_a` and `face_b`: faces translated INTO that domain against the faces of their sources.

    The embedder is frozen and computes in float32; the source's embedding gets no gradient.
    """

    def __init__(self, config: FaceConfig, embedder: FaceEmbedder) -> None:
        self.config = config
        self.embedder = embedder
        self.centers: Centers | None = None

    def weights(self, step: int) -> dict[str, float]:
        """The weight of both terms at `step`, grown from 0 over the ramp."""
        ramp = min(1.0, (step + 1) / max(1, self.config.ramp_steps))
        return {
            "face_b": value_at(self.config.weight_ab, step) * ramp,
            "face_a": value_at(self.config.weight_ba, step) * ramp,
        }

    def terms(self, outputs: Outputs[Way], batch: Batch, faces: Faces, share: Share, step: int) -> Terms:
        """The terms whose weight is positive at `step`, with raw distances and shares of faces to show.

        Raw distances are squared L2 of unit embeddings, 0 to 4, whatever the hinge and the centering are.
        """
        found = Terms()
        weights = self.weights(step)
        for target in outputs.targets:
            boxes = faces[other(target)]
            if weights[f"face_{target}"] > 0 and boxes is not None:
                found |= self._direction(outputs.translated(target), batch[other(target)], boxes, share, target)
        return found

    def center_on(self, batches: Iterable[tuple[Batch, Faces]]) -> None:
        """Take the means of all real faces in `batches` as the origins from which embeddings are compared."""
        embeddings: dict[Domain, list[Tensor]] = {"a": [], "b": []}
        with torch.no_grad():
            for batch, faces in batches:
                for domain in DOMAINS:
                    boxes = faces[domain]
                    assert boxes is not None, f"centered embeddings need faces in domain {domain}"
                    embeddings[domain].append(self._embed(batch[domain], boxes)[boxes.present])
        self.centers = Centers(*(torch.cat(embeddings[domain]).mean(dim=0) for domain in DOMAINS))

    def _direction(self, translated: Tensor, source: Tensor, boxes: FaceBoxes, share: Share, target: Domain) -> Terms:
        with torch.no_grad():
            before = self._embed(source, boxes)
        after = self._embed(translated, boxes)
        num_faces = share.gather(boxes.present).sum().clamp(min=1)
        loss = face_identity_loss(
            self._relative(before, other(target)),
            self._relative(after, target),
            boxes.present,
            self.config.hinge,
            num_faces / share.world_size,  # the mean over the processes is then the mean over all faces
        )
        return Terms({f"face_{target}": loss}, self._observed(before, after.detach(), boxes.present, target))

    def _observed(self, before: Tensor, after: Tensor, present: Tensor, target: Domain) -> dict[str, Observed]:
        distance = self.embedder.distance(before, after)
        verified = (distance < self.embedder.same_person_below).float()
        seen, everything = present.float(), torch.ones_like(distance)
        return {
            f"face/distance_{target}": Observed(distance, seen),
            f"face/verified_{target}": Observed(verified, seen),
            f"face/without_{target}": Observed(1 - seen, everything),
        }

    def _embed(self, pictures: Tensor, boxes: FaceBoxes) -> Tensor:
        crops = crop_faces(pictures, boxes.boxes, self.embedder.size_px, self.config.margin)
        embeddings: Tensor = self.embedder(crops)
        return embeddings

    def _relative(self, embedding: Tensor, domain: Domain) -> Tensor:
        """The embedding as it is, or the direction in which it lies from the mean of its own domain."""
        return embedding if self.centers is None else normalize(embedding - self.centers[domain])
