"""What can be set about the losses that go with every model. Each is off until its section is given. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from unpaired.errors import Problem
from unpaired.schedules import Scheduled, is_ever_positive, schedule_problems
from unpaired.settings import NonNegativeInt, forbid_unknown, setting

FaceNetwork = Literal["facenet-casia", "facenet-vggface2"]
VggNetwork = Literal["vgg16", "vgg16-caffe", "hed-vgg16"]


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class FaceConfig:
    """Face identity: the person in a translation should be the person in its source."""

    weight_ab: Scheduled = setting(1.0, "Weight for pictures of a translated to b; 0 for none.")
    weight_ba: Scheduled = setting(1.0, "Weight for pictures of b translated to a; 0 for none.")
    network: FaceNetwork = setting("facenet-casia", "Pretrained network; `unpaired weights list` shows where it lies.")
    ramp_steps: NonNegativeInt = setting(
        1000, "Steps in which the weights grow from 0: early translations have no face to speak of."
    )
    margin: Annotated[float, Interval(ge=0.0, le=2.0)] = setting(
        0.25, "Part of its side that a face box is grown by before the network looks."
    )
    hinge: Annotated[float, Interval(ge=0.0, lt=4.0)] = setting(
        0.0, "Squared distance below which a pair is left alone; below 0.75 FaceNet sees the same person."
    )
    centered: bool = setting(
        False, "Compare embeddings relative to the mean of their own domain: for drawings, far from photographs."
    )

    def needs(self, domain: Literal["a", "b"]) -> bool:
        """Whether the faces in the training pictures of `domain` are needed."""
        weight = self.weight_ab if domain == "a" else self.weight_ba
        return is_ever_positive(weight) or (self.centered and self.is_on)

    @property
    def is_on(self) -> bool:
        """Whether any weight is ever more than 0."""
        return is_ever_positive(self.weight_ab) or is_ever_positive(self.weight_ba)


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class PerceptualConfig:
    """Domain-invariant perceptual distance between a translation and its source (MUNIT, for 256 px and more)."""

    weight: Scheduled = setting(1.0, "Weight of the loss in both directions.")
    network: VggNetwork = setting("vgg16", "Pretrained network; `unpaired weights list` shows where it lies.")
    layer: Literal["relu4_3", "relu5_3"] = setting("relu5_3", "relu5_3 in the reference code, relu4_3 in the paper.")

    @property
    def is_on(self) -> bool:
        """Whether the weight is ever more than 0."""
        return is_ever_positive(self.weight)


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class LossesConfig:
    """Losses with pretrained networks. `null` is off: nothing is loaded."""

    face: FaceConfig | None = setting(None, "Face identity; null for none.")
    perceptual: PerceptualConfig | None = setting(None, "Domain-invariant perceptual distance; null for none.")

    def problems(self) -> list[Problem]:
        """What is wrong between fields that are each valid alone."""
        schedules: dict[str, Scheduled] = {}
        if self.face is not None:
            schedules["losses.face.weight_ab"] = self.face.weight_ab
            schedules["losses.face.weight_ba"] = self.face.weight_ba
        if self.perceptual is not None:
            schedules["losses.perceptual.weight"] = self.perceptual.weight
        return schedule_problems(schedules)
