"""What a method (MUNIT, U-GAT-IT) offers to the training loop, to sample grids and to translation.

The loop knows nothing of a method's losses or networks: it asks for one generator pass, for named loss terms and for
their weights. Translation knows nothing of the loop: it uses the `TranslationNetworks` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from unpaired.config import DataConfig
from unpaired.layers.share import Share
from unpaired.models import ModelConfig

Domain = Literal["a", "b"]
DOMAINS: tuple[Domain, Domain] = ("a", "b")


def other(domain: Domain) -> Domain:
    """The domain that `domain` is translated to."""
    return "b" if domain == "a" else "a"


@dataclass(frozen=True)
class Batch:
    """Real pictures of one step: `x_a` and `x_b`, each (N, 3, H, W) in [-1, 1]."""

    x_a: Tensor
    x_b: Tensor

    def __getitem__(self, domain: Domain) -> Tensor:
        return self.x_a if domain == "a" else self.x_b

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`."""
        return Batch(*(x.to(device, non_blocking=True) for x in (self.x_a, self.x_b)))


@dataclass(frozen=True)
class Way:
    """What one generator pass makes of the pictures of one domain; a method adds its own tensors.

    `translated` are the pictures, translated to the other domain: (N, 3, H, W) in [-1, 1].
    """

    translated: Tensor

    def detached(self) -> Self:
        """The same tensors without their graph."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: t.detach() for name, t in tensors.items() if isinstance(t, Tensor)})


WayT = TypeVar("WayT", bound=Way)


@dataclass(frozen=True)
class Outputs(Generic[WayT]):
    """What one generator pass of a step gives: the `ways` of the pictures of both domains, or of one alone."""

    ways: Mapping[Domain, WayT]

    @property
    def targets(self) -> tuple[Domain, ...]:
        """The domains that pictures were translated to."""
        return tuple(domain for domain in DOMAINS if other(domain) in self.ways)

    def translated(self, to: Domain) -> Tensor:
        """The pictures translated to domain `to`."""
        return self.ways[other(to)].translated

    def detached(self) -> Outputs[WayT]:
        """The same tensors without their graph, for the discriminator update."""
        return Outputs({domain: way.detached() for domain, way in self.ways.items()})


@dataclass(frozen=True)
class Grid:
    """A labelled grid of sample pictures.

    `pictures`: (rows, columns, 3, H, W) in [-1, 1]; one label a column. `name` is part of a file name.
    """

    name: str
    title: str
    pictures: Tensor
    column_labels: tuple[str, ...]


class TranslationNetworks(Protocol):
    """The generators of both directions as translation uses them. Implemented by a module of each model.

    All pictures are (N, 3, H, W) in [-1, 1], with sides that are multiples of `size_multiple`; where there is a
    `fixed_size` (height, width), of that size alone.
    `style_dim` is None for models with one answer a picture: these have no codes, only `translate`.
    """

    style_dim: int | None
    size_multiple: int
    fixed_size: tuple[int, int] | None
    has_attention: bool

    def translate(self, x: Tensor, to: Domain, style: Tensor | None) -> Tensor:
        """`x` translated to domain `to` with style codes (N, style_dim): (N, 3, H, W) in [-1, 1]."""
        ...

    def encode_content(self, x: Tensor, domain: Domain) -> Tensor:
        """The content code of pictures of `domain`."""
        ...

    def encode_style(self, x: Tensor, domain: Domain) -> Tensor:
        """The style codes of pictures of `domain`: (N, style_dim)."""
        ...

    def decode(self, content: Tensor, style: Tensor, domain: Domain) -> Tensor:
        """Pictures of `domain` from content and style codes: (N, 3, H, W) in [-1, 1]."""
        ...

    def decoder_of(self, content: Tensor, domain: Domain) -> Callable[[Tensor], Tensor]:
        """What `decode` does with this content, as a function of the style: for many styles of the same pictures."""
        ...

    def attention(self, x: Tensor, to: Domain) -> Tensor:
        """Where the translation of `x` to domain `to` looks: (N, 1, h, w), 0 or more. Only where `has_attention`."""
        ...


ConfigT = TypeVar("ConfigT", bound=ModelConfig)


class Method(ABC, Generic[ConfigT, WayT]):
    """Networks and one step's losses. Holds no optimizer, no device and no step counter.

    `generators` and `discriminators` are one module each, so that a distributed wrapper sees one `forward` a step.
    The methods below take the module to call (wrapped or not) as an argument.
    All randomness of a step comes from `share`; what is reckoned over a batch, and not picture by picture, is reckoned
    over `share.whole`. So it makes no difference how many processes make a step.
    Each term is of one direction, or a sum of one number from each. So it makes no difference either whether `sources`
    are both domains or, in two passes, one after the other.
    """

    generators: nn.Module
    discriminators: nn.Module

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @staticmethod
    @abstractmethod
    def build_generators(config: ConfigT) -> nn.Module:
        """The generators alone, uninitialized, as translation needs them: a `TranslationNetworks` module."""

    @abstractmethod
    def initialize(self, rng: torch.Generator) -> None:
        """Draw the initial weights of all networks."""

    @abstractmethod
    def generate(
        self, generators: nn.Module, batch: Batch, share: Share, step: int, sources: Sequence[Domain] = DOMAINS
    ) -> Outputs[WayT]:
        """One generator pass with the pictures of the domains `sources`: all encoding and decoding that losses need."""

    @abstractmethod
    def discriminator_terms(
        self, discriminators: nn.Module, outputs: Outputs[WayT], batch: Batch, share: Share, step: int
    ) -> dict[str, Tensor]:
        """Unweighted scalars of the discriminators of `outputs.targets`, by name. `outputs` are detached."""

    @abstractmethod
    def generator_terms(
        self, discriminators: nn.Module, outputs: Outputs[WayT], batch: Batch, share: Share, step: int
    ) -> dict[str, Tensor]:
        """Unweighted scalars of the generator update by `outputs`, by name. The discriminators are frozen."""

    @abstractmethod
    def weights(self, step: int) -> Mapping[str, float]:
        """The weight of each term of both updates at `step`, by the term's name."""

    def constrain(self) -> None:
        """Bring the generators' weights back into their allowed range, after every update of theirs."""

    @abstractmethod
    def sample_grids(self, generators: nn.Module, batch: Batch, rng: torch.Generator, num_styles: int) -> list[Grid]:
        """Grids that show how the translation of the fixed pictures in `batch` looks now."""


AnyMethod = Method[Any, Any]
"""A method whose config and outputs are its own business."""


@dataclass(frozen=True)
class ImportedModel:
    """A checkpoint of a reference code, in our names: what a bundle is made of.

    `data` says how the training pictures were prepared, as far as that is known; `found` what the file holds and
    `notes` what it could not tell, in words for people.
    """

    config: ModelConfig
    data: DataConfig
    generators: dict[str, Tensor]
    discriminators: dict[str, Tensor] | None
    found: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ImportCheckpoint(Protocol):
    """Reads a checkpoint of a model's reference code. Raises `UserError` when it is not one."""

    def __call__(self, source: Path, *, config: Path | None, discriminators: Path | None) -> ImportedModel:
        """The model in the file `source`, with the reference's own config file where given."""
        ...
