"""What can be set about U-GAT-IT. The defaults are what the paper describes, with the layers of its PyTorch code.

README.md lists where the two official codes differ, and which setting follows which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Interval

from unpaired.errors import Problem
from unpaired.schedules import Scheduled, schedule_problems
from unpaired.settings import Pixels, PositiveInt, forbid_unknown, setting

Norm = Literal["adalin", "instance", "layer", "adain", "group"]
Share = Annotated[float, Interval(ge=0.0, le=1.0)]

ADAPTIVE_NORMS: tuple[Norm, ...] = ("adalin", "adain")  # those that take γ and β from the features
NUM_DOWNSAMPLES = 2  # fixed in both codes
TERMS = ("adversarial", "cycle", "identity", "cam")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """One translator; both are alike."""

    light: bool = setting(False, "Average the features before the MLP: 26 times fewer weights, and any picture size.")
    dim: PositiveInt = setting(64, "Channels after the first convolution; doubled by each down-sampling.")
    num_res_blocks: PositiveInt = setting(4, "Residual blocks in the encoder, and as many in the decoder.")
    norm: Norm = setting("adalin", "Norm of the decoder's residual blocks; the others are the paper's ablations.")
    cam: bool = setting(True, "Attention by class activation maps; false is the paper's ablation.")
    size: tuple[Pixels, Pixels] | None = setting(
        None, "Height and width that the full model is tied to; null takes data.size. Stays null for the light model."
    )
    rho_init: Share = setting(0.9, "Share of instance norm in AdaLIN at the start.")
    rho_max: Share = setting(1.0, "Most that the share of instance norm may become; 0.9 in the TensorFlow code.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """A global and a local discriminator for each domain, all with spectral norm."""

    dim: PositiveInt = setting(64, "Channels after the first convolution; doubled by each further layer but the head.")
    num_layers_global: Annotated[int, Ge(3)] = setting(7, "Convolutions of the global ones, the head counted.")
    num_layers_local: Annotated[int, Ge(3)] = setting(5, "Convolutions of the local ones, the head counted.")
    cam: bool = setting(True, "Attention by class activation maps; false is the paper's ablation.")
    cam_weight: Literal["normalized", "raw"] = setting(
        "normalized", "Weight that attends: normalized as in the logit (the paper's code), or raw (the PyTorch code)."
    )


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class WeightsConfig:
    """Weight of each term: a number, or `[[step, value], ...]` to change it during the run."""

    adversarial: Scheduled = setting(1.0, "Adversarial loss of score maps and attention logits, both updates.")
    cycle: Scheduled = setting(10.0, "Cycle consistency: a picture translated there and back against itself.")
    identity: Scheduled = setting(10.0, "Identity: a picture of the target domain translated against itself.")
    cam: Scheduled = setting(1000.0, "Attention logits of the generators: which domain did the input come from?")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class UgatitConfig:
    """The model called ugatit."""

    name: Literal["ugatit"] = setting("ugatit", "The model.")
    generator: GeneratorConfig = setting(GeneratorConfig(), "The two translators.")
    discriminator: DiscriminatorConfig = setting(DiscriminatorConfig(), "The four discriminators.")
    layers: Literal["pytorch", "tensorflow"] = setting(
        "pytorch", "Official code whose layers are built: biases, affine norms and padding differ. See the README."
    )
    variance: Literal["biased", "unbiased"] = setting(
        "biased", "Variance in AdaLIN and LIN: biased in the TensorFlow code, unbiased in the PyTorch code."
    )
    adversarial: Literal["lsgan", "nsgan", "hinge"] = setting("lsgan", "Adversarial loss.")
    weights: WeightsConfig = setting(WeightsConfig(), "Weights of the loss terms.")
    initialization: Literal["gaussian", "default"] = setting(
        "gaussian", "Initial weights: gaussian N(0, 0.02) as in the paper, or torch's default as in the PyTorch code."
    )

    @property
    def size_multiple(self) -> int:
        """Picture sides have to be multiples of this, or translations come out smaller than their input."""
        return int(2**NUM_DOWNSAMPLES)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The only height and width that the networks take: that of a full model whose norms need γ and β."""
        is_tied = not self.generator.light and self.generator.norm in ADAPTIVE_NORMS
        return self.generator.size if is_tied else None

    def at_size(self, size: tuple[int, int]) -> UgatitConfig:
        """This config for training pictures of `size` (height, width): the full model is tied to it."""
        if self.generator.light or self.generator.size is not None:
            return self
        return replace(self, generator=replace(self.generator, size=size))

    def problems(self, size: tuple[int, int]) -> list[Problem]:
        """What is wrong between settings of this model and with pictures of `size` (height, width) pixels."""
        return [*self._weight_problems(), *self._generator_problems(size), *self._size_problems(size)]

    def smallest_size(self) -> int:
        """The smallest side, in pixels, that leaves every discriminator 3 pixels before its last two layers."""
        layers = max(self.discriminator.num_layers_global, self.discriminator.num_layers_local)
        return int(max(3 * 2 ** (layers - 2), 2 * self.size_multiple))

    def batch_problems(self, batch_size: int) -> list[Problem]:  # noqa: ARG002  the signature is every model's
        """Nothing: it takes batches of any size."""
        return []

    def _weight_problems(self) -> list[Problem]:
        return schedule_problems({f"model.weights.{term}": getattr(self.weights, term) for term in TERMS})

    def _generator_problems(self, size: tuple[int, int]) -> list[Problem]:
        tied, light = self.generator.size, self.generator.light
        found = []
        if light and tied is not None:
            hint = "Leave it null, or train the full model with --set model.generator.light=false."
            found.append(Problem(f"model.generator.size: the light model is not tied to {_by(tied)}", hint))
        if not light and tied is not None and tuple(tied) != tuple(size):
            hint = (
                "The full model knows one picture size only: leave model.generator.size null, or take "
                "--set model.generator.light=true for one that knows all sizes."
            )
            found.append(Problem(f"data.size: {_by(size)}, but model.generator.size is {_by(tied)}", hint))
        if self.generator.rho_init > self.generator.rho_max:
            shares = f"{self.generator.rho_init:g} is more than model.generator.rho_max ({self.generator.rho_max:g})"
            found.append(Problem(f"model.generator.rho_init: {shares}", "Lower it."))
        return found

    def _size_problems(self, size: tuple[int, int]) -> list[Problem]:
        multiple, smallest = self.size_multiple, self.smallest_size()
        if all(side % multiple == 0 and side >= smallest for side in size):
            return []
        most = max(self.discriminator.num_layers_global, self.discriminator.num_layers_local)
        return [
            Problem(
                f"data.size: the networks cannot take {_by(size)} (height x width): sides have to be multiples of "
                f"{multiple}, at least {smallest} with a discriminator of {most} layers",
                "Use larger ones, or lower model.discriminator.num_layers_global (6 for 64 px) and num_layers_local.",
            )
        ]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
