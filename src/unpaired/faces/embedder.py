"""Whose face it is, as a vector: one interface over the face networks that losses and metrics use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from torch import Tensor, nn

from unpaired.faces.dlib_resnet import load_dlib_face
from unpaired.faces.facenet_weights import load_facenet
from unpaired.layers.precision import without_autocast
from unpaired.pretrained.store import require

EmbedderName = Literal["facenet-casia", "facenet-vggface2", "dlib-face"]


@dataclass(frozen=True, kw_only=True)
class FaceNetwork:
    """What a face network expects and gives.

    `to_input` turns [-1, 1] into what it was trained on. `margin` is the part of its side that a detector's box is
    grown by. Two embeddings with a squared Euclidean distance below `same_person_below` count as one person.
    """

    size_px: int
    dim: int
    margin: float
    same_person_below: float
    to_input: Callable[[Tensor], Tensor]
    load: Callable[[Path], nn.Module]


# The usual thresholds (1.1 for FaceNet, 0.6² for dlib) are for pictures of celebrities, dlib's also for faces turned
# upright. With them, 12 and 14 of 100 pairs of *different* faces would pass as one person in crops as they are made
# here: 150 generated faces of 128 px, all different, boxes of MTCNN, the margins below. The thresholds of the two
# networks that could be measured so are those that 1 of 100 such pairs passes; at 64 px they are the same within 3 %.
# FaceNet on two photographs of one person: 0.29 on average (0.538²).
_CASIA = FaceNetwork(
    size_px=160,
    dim=512,
    margin=0.25,
    same_person_below=0.75,
    to_input=lambda x: x * (127.5 / 128),  # (pixel − 127.5) / 128, as the author standardises for his 2018 models
    load=load_facenet,
)
FACE_NETWORKS: dict[EmbedderName, FaceNetwork] = {
    "facenet-casia": _CASIA,
    "facenet-vggface2": replace(_CASIA, same_person_below=1.1),
    "dlib-face": FaceNetwork(
        size_px=150,
        dim=128,
        margin=-0.1,
        same_person_below=0.23,
        to_input=lambda x: (x + 1) * 127.5,
        load=load_dlib_face,
    ),
}


class FaceEmbedder(nn.Module):
    """A frozen face network behind one scale of pixels. Computed in float32 also under autocast; never trained."""

    def __init__(self, network: nn.Module, facts: FaceNetwork, name: str) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.size_px = facts.size_px
        self.dim = facts.dim
        self.margin = facts.margin
        self.same_person_below = facts.same_person_below
        self._to_input = facts.to_input
        self.requires_grad_(False)
        self.eval()

    def forward(self, crops: Tensor) -> Tensor:
        """(N, dim) float32 for the faces `crops` (N, 3, size_px, size_px) in [-1, 1]; differentiable."""
        assert crops.shape[1:] == (3, self.size_px, self.size_px), f"{self.name} cannot take {tuple(crops.shape)}"
        with without_autocast(crops):
            embedding: Tensor = self.network(self._to_input(crops.float()))
        return embedding

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """The squared Euclidean distance (N,) of embeddings (N, dim). Below `same_person_below`: the same person."""
        return (first - second).square().sum(dim=-1)

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        """Itself, in evaluation mode: it is not trained, whatever happens to the module around it."""
        return super().train(False)


def load_embedder(name: EmbedderName) -> FaceEmbedder:
    """The face network called `name`. Raises `UserError` when its weights are not on this machine."""
    facts = FACE_NETWORKS[name]
    return FaceEmbedder(facts.load(require(name)), facts, name)
