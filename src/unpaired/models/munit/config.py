"""What can be set about MUNIT. The defaults are the paper's edges-to-shoes model.

The names of the reference's YAML files are mapped to these by `importer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Interval

from unpaired.errors import Problem
from unpaired.schedules import Scheduled, Step, is_ever_positive, schedule_problems
from unpaired.settings import PositiveInt, forbid_unknown, setting

Activation = Literal["relu", "lrelu", "prelu", "selu", "tanh", "none"]
Padding = Literal["reflect", "replicate", "zero"]
Norm = Literal["none", "instance", "layer", "batch", "group", "spectral"]
Initialization = Literal["kaiming", "gaussian", "xavier", "orthogonal", "default"]

Augmentation = Literal["color", "translation", "cutout"]

TERMS = ("adversarial", "image", "style", "content", "cycle", "style_prior", "mode_seeking", "contrast", "r1")
NUM_STYLE_DOWNSAMPLES = 4  # fixed in the reference, whatever num_downsamples is
GROUPS = 8  # MUNIT-keras tried group norm with 8 groups in the up-sampling blocks


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """One auto-encoder; both are alike."""

    dim: PositiveInt = setting(64, "Channels after the first convolution; doubled by each down-sampling.")
    mlp_dim: PositiveInt = setting(256, "Hidden width of the MLP that turns a style code into AdaIN parameters.")
    style_dim: PositiveInt = setting(8, "Dimension of the style code.")
    activation: Activation = setting("relu", "Activation of every hidden layer.")
    num_downsamples: PositiveInt = setting(2, "Stride-2 convolutions of the content encoder, and up-samplings.")
    num_res_blocks: PositiveInt = setting(4, "Residual blocks in the content encoder, and as many in the decoder.")
    padding: Padding = setting("reflect", "Padding of every convolution.")
    content_norm: Norm = setting("instance", "Norm of the content encoder.")
    style_norm: Norm = setting("none", "Norm of the style encoder. Instance norm would remove the style.")
    upsample_norm: Norm = setting("layer", "Norm of the up-sampling blocks; MUNIT-keras uses instance norm.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """One multi-scale discriminator; both are alike."""

    dim: PositiveInt = setting(64, "Channels after the first convolution; doubled by each further layer.")
    norm: Norm = setting("none", "Norm of all layers but the first (spectral: of the first too).")
    activation: Activation = setting("lrelu", "Activation of every hidden layer.")
    num_layers: PositiveInt = setting(4, "Stride-2 convolutions.")
    num_scales: PositiveInt = setting(3, "Discriminators, each on a picture half the size of the one before.")
    padding: Padding = setting("reflect", "Padding of every convolution.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class WeightsConfig:
    """Weight of each term: a number, or `[[step, value], ...]` to change it during the run."""

    adversarial: Scheduled = setting(1.0, "Adversarial loss, both updates.")
    image: Scheduled = setting(10.0, "Image reconstruction: decode(encode(x)) against x.")
    style: Scheduled = setting(1.0, "Style reconstruction: style encoded from a translation against the style used.")
    content: Scheduled = setting(1.0, "Content reconstruction: content of a translation against its source's.")
    cycle: Scheduled = setting(0.0, "Explicit cycle consistency with the source's own style (10 for landscapes).")
    style_prior: Scheduled = setting(
        0.0, "Pull of the styles encoded from a batch towards N(0, I); batches of 4 or more."
    )
    mode_seeking: Scheduled = setting(
        0.0, "Reward for translations that differ where their styles do (1 in its paper)."
    )
    contrast: Scheduled = setting(
        0.0, "Local contrast of translations against that of real pictures, as distributions (1 for small data sets)."
    )
    r1: Scheduled = setting(0.0, "Penalty on the discriminators' gradient at real pictures (gamma of R1).")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class MixupConfig:
    """Mixup of real and translated pictures in the discriminator update (MUNIT-keras)."""

    alpha: Annotated[float, Gt(0.0)] = setting(0.2, "Both parameters of the Beta distribution of the mixing factor.")
    end_step: Step | None = setting(None, "Step from which on mixup is off; null for never.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class MunitConfig:
    """The model called munit."""

    name: Literal["munit"] = setting("munit", "The model.")
    generator: GeneratorConfig = setting(GeneratorConfig(), "The two auto-encoders.")
    discriminator: DiscriminatorConfig = setting(DiscriminatorConfig(), "The two multi-scale discriminators.")
    adversarial: Literal["lsgan", "nsgan", "hinge"] = setting("lsgan", "Adversarial loss.")
    weights: WeightsConfig = setting(WeightsConfig(), "Weights of the loss terms.")
    detach_content_target: bool = setting(
        False, "Send no gradient into the content code that content reconstruction compares with."
    )
    mixup: MixupConfig | None = setting(None, "Mixup in the discriminator update; null for none.")
    augment: tuple[Augmentation, ...] = setting(
        (), "Changes to every picture that a discriminator sees, real or not (DiffAugment): color, translation, cutout."
    )
    r1_every_steps: PositiveInt = setting(16, "Updates between two R1 penalties, each as strong as all of them.")
    generator_init: Initialization = setting("kaiming", "Initialization of the generators.")
    center_adain: bool = setting(
        False, "Start with AdaIN scales around 1, not 0, and styles half as strong: runs depend less on their seed."
    )
    discriminator_init: Initialization = setting("gaussian", "Initialization of the discriminators.")
    init_gain: Annotated[float, Interval(gt=0.0, le=10.0)] = setting(
        2**0.5, "Gain of the xavier and orthogonal initializations."
    )

    @property
    def size_multiple(self) -> int:
        """Picture sides have to be multiples of this, or reconstructions come out smaller than their input."""
        return int(2**self.generator.num_downsamples)

    def at_size(self, size: tuple[int, int]) -> MunitConfig:  # noqa: ARG002  the signature is every model's
        """This config: its networks are the same for all picture sizes."""
        return self

    def problems(self, size: tuple[int, int]) -> list[Problem]:
        """What is wrong between settings of this model and with pictures of `size` (height, width) pixels."""
        return [*self._weight_problems(), *self._width_problems(), *self._size_problems(size)]

    def batch_problems(self, batch_size: int) -> list[Problem]:
        """What is wrong between settings of this model and batches of `batch_size` pictures."""
        if batch_size > 1 or not is_ever_positive(self.weights.style_prior):
            return []
        return [
            Problem(
                "model.weights.style_prior: one picture has no spread of styles, and batch_size is 1",
                "Use --batch 4 or more, or --set model.weights.style_prior=0.",
            )
        ]

    def _weight_problems(self) -> list[Problem]:
        return schedule_problems({f"model.weights.{term}": getattr(self.weights, term) for term in TERMS})

    def _width_problems(self) -> list[Problem]:
        found = []
        if "group" in (self.generator.content_norm, self.generator.style_norm) and self.generator.dim % GROUPS:
            found.append(_group_problem("generator.dim", self.generator.dim))
        if self.generator.upsample_norm == "group" and self.generator.dim % GROUPS:
            found.append(_group_problem("generator.dim", self.generator.dim))
        if self.discriminator.norm == "group" and self.discriminator.dim * 2 % GROUPS:
            found.append(_group_problem("discriminator.dim", self.discriminator.dim))
        return found

    def _size_problems(self, size: tuple[int, int]) -> list[Problem]:
        multiple, smallest = self.size_multiple, self.smallest_size()
        if all(side % multiple == 0 and side >= smallest for side in size):
            return []
        scales, layers = self.discriminator.num_scales, self.discriminator.num_layers
        near = " or ".join(nearest_sizes(size, multiple, smallest))
        return [
            Problem(
                f"data.size: the networks cannot take {size[0]}x{size[1]} (height x width): sides have to be multiples "
                f"of {multiple}, at least {smallest} with {scales} scales of {layers} layers",
                f"Use {near}; smaller ones need a lower model.discriminator.num_scales or num_layers.",
            )
        ]

    def smallest_size(self) -> int:
        """The smallest side, in pixels, with which every stride-2 convolution still sees 2 pixels."""
        style = NUM_STYLE_DOWNSAMPLES + (self.generator.style_norm == "instance")
        discriminator = self.discriminator.num_layers + self.discriminator.num_scales - 1
        return 1 << max(self.generator.num_downsamples + 1, style, discriminator)


def nearest_sizes(size: tuple[int, int], multiple: int, smallest: int) -> list[str]:
    """The sizes below and above `size` (height, width) with sides that are multiples and not too small, as `HxW`."""
    least = -(-smallest // multiple) * multiple
    below = [max(least, side // multiple * multiple) for side in size]
    above = [max(least, -(-side // multiple) * multiple) for side in size]
    return list(dict.fromkeys([f"{below[0]}x{below[1]}", f"{above[0]}x{above[1]}"]))


def _group_problem(field: str, seen: int) -> Problem:
    return Problem(
        f"model.{field}: group norm has {GROUPS} groups, {seen} channels do not divide", "Use a multiple of 8."
    )
