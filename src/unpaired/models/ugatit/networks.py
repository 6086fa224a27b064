"""U-GAT-IT's two translators.

Layer by layer as the official codes; the code that norms and convolutions share is in `layers`. A `Pending` map is one
whose norm and activation are still to be applied, which keeps one map a convolution for the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from unpaired.layers.adalin import Affine, FoldedNorm, channel_moments
from unpaired.layers.at_once import Divided, Part
from unpaired.layers.cam import CamAttention
from unpaired.layers.padding import same
from unpaired.layers.pending import Pending, PendingConv2d
from unpaired.layers.recompute import Recomputable, recomputed
from unpaired.layers.resblocks import summed
from unpaired.layers.wide_linear import SharedWeight, WideLinear
from unpaired.models.base import DOMAINS, Domain, Outputs, Way, other
from unpaired.models.ugatit.config import ADAPTIVE_NORMS, NUM_DOWNSAMPLES, GeneratorConfig, UgatitConfig

RELU = 0.0
"""Slope below zero of ReLU."""

Translate = Callable[..., tuple[Tensor, ...]]
"""Translations of all the pictures it is given and, with attention, their logits."""


class ResBlock(nn.Module):
    """x + norm(conv(ReLU(norm(conv(x))))): 3×3 convolutions, no activation after the sum."""

    def __init__(self, channels: int, norms: tuple[FoldedNorm, FoldedNorm], *, bias: bool) -> None:
        super().__init__()
        self.conv1 = PendingConv2d(channels, channels, 3, padding=same(1), bias=bias)
        self.norm1 = norms[0]
        self.conv2 = PendingConv2d(channels, channels, 3, padding=same(1), bias=bias)
        self.norm2 = norms[1]

    def forward(self, x: Pending, style: Affine | None = None) -> Pending:
        """(N, C, H, W), without norm and activation → the same.

        `style`: γ and β (N, C) of both norms, where these have none of their own.
        """
        with x.sparing():
            first = self.conv1(x)
        hidden = self.norm1(first, style, slope=RELU)
        return summed(x, self.norm2(self.conv2(hidden), style))


class Encoder(nn.Module):
    """Picture (N, 3, H, W) → features (N, 4·dim, H/4, W/4)."""

    def __init__(self, config: GeneratorConfig, *, tensorflow: bool) -> None:
        super().__init__()

        def norm(channels: int) -> FoldedNorm:
            return FoldedNorm(channels, "instance", affine=tensorflow)

        channels = config.dim
        self.convs = nn.ModuleList([PendingConv2d(3, channels, 7, padding=same(3), bias=tensorflow)])
        self.norms = nn.ModuleList([norm(channels)])
        for _ in range(NUM_DOWNSAMPLES):
            self.convs.append(PendingConv2d(channels, channels * 2, 3, stride=2, padding=same(1), bias=tensorflow))
            channels *= 2
            self.norms.append(norm(channels))
        self.res_blocks = nn.ModuleList(
            ResBlock(channels, (norm(channels), norm(channels)), bias=tensorflow) for _ in range(config.num_res_blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, C, H/4, W/4)."""
        features = Pending(recomputed(self._downsampled, x))  # 2 % of a step's arithmetic, 20 % of its maps
        for block in self.res_blocks:
            features = block(features)
        return features.raw

    def _downsampled(self, x: Tensor) -> Tensor:
        pending = Pending(x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            pending = norm(conv(pending), slope=RELU)
        return pending.value()


class Modulation(nn.Module):
    """Features → γ and β of every AdaLIN in the decoder: the multi-layer perceptron of the paper's figure 1.

    Only the light model averages the features first; the full one is tied to their number, and so to one picture size.
    """

    def __init__(self, config: GeneratorConfig, channels: int, *, bias: bool) -> None:
        super().__init__()
        self.light = config.light
        self.hidden1 = WideLinear(channels * _num_positions(config), channels, bias=bias)
        self.hidden2 = nn.Linear(channels, channels, bias=bias)
        self.gamma = nn.Linear(channels, channels, bias=bias)
        self.beta = nn.Linear(channels, channels, bias=bias)

    def forward(self, features: Tensor, shared: SharedWeight | None = None) -> Affine:
        """(N, C, h, w) → γ and β, each (N, C). `shared`: the first layer's weight for several calls of one step."""
        flat = channel_moments(features)[0] if self.light else features.flatten(1)
        hidden = relu(self.hidden2(relu(self.hidden1(flat, shared))))
        return self.gamma(hidden), self.beta(hidden)


class Decoder(nn.Module):
    """Attended features, and γ and β for its norms → picture."""

    def __init__(self, config: GeneratorConfig, channels: int, *, layers: UgatitConfig) -> None:
        super().__init__()
        bias = layers.layers == "tensorflow"

        def norms() -> tuple[FoldedNorm, FoldedNorm]:
            return _decoder_norm(layers, channels), _decoder_norm(layers, channels)

        self.res_blocks = nn.ModuleList(ResBlock(channels, norms(), bias=bias) for _ in range(config.num_res_blocks))
        self.up_convs, self.up_norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(NUM_DOWNSAMPLES):
            self.up_convs.append(PendingConv2d(channels, channels // 2, 3, upsample=2, padding=same(1), bias=bias))
            channels //= 2
            self.up_norms.append(FoldedNorm(channels, "blend", affine=True, variance=layers.variance))
        self.head = PendingConv2d(channels, 3, 7, padding=same(3), bias=bias)

    def forward(self, features: Tensor, style: Affine | None) -> Tensor:
        """(N, C, h, w) → (N, 3, 4·h, 4·w) in [-1, 1]."""
        pending = Pending(features)
        for block in self.res_blocks:
            pending = block(pending, style)
        for conv, norm in zip(self.up_convs[:-1], self.up_norms[:-1], strict=True):
            with pending.sparing():
                raw = conv(pending)
            pending = norm(raw, slope=RELU)
        return recomputed(self._last, pending).tanh()  # 3 % of a step's arithmetic, 10 % of its maps

    def _last(self, pending: Pending) -> Tensor:
        out: Tensor = self.head(self.up_norms[-1](self.up_convs[-1](pending), slope=RELU))
        return out


class Generator(Recomputable):
    """The translator into one domain, for pictures of both: pictures of its own domain should come out as they are."""

    def __init__(self, config: UgatitConfig) -> None:
        super().__init__()
        tensorflow = config.layers == "tensorflow"
        channels = config.generator.dim * 2**NUM_DOWNSAMPLES
        self.encoder = Encoder(config.generator, tensorflow=tensorflow)
        self.attention = CamAttention(channels, shared=tensorflow) if config.generator.cam else None
        self.modulation = (
            Modulation(config.generator, channels, bias=tensorflow) if config.generator.norm in ADAPTIVE_NORMS else None
        )
        self.decoder = Decoder(config.generator, channels, layers=config)

    def forward(self, x: Tensor, shared: SharedWeight | None = None) -> tuple[Tensor, Tensor | None]:
        """Pictures (N, 3, H, W) → the translations, and the logits (N, 2) of "x is not of my domain" with attention.

        `shared`: as `shared_weight` gave it for all calls of one step.
        """
        features, logits = self._features(x)
        style = None if self.modulation is None else self.modulation(features, shared)
        return self.decoder(features, style), logits

    def shared_weight(self) -> SharedWeight | None:
        """The largest weight, for several calls with one gradient; None where there is none that large."""
        return None if self.modulation is None or self.modulation.light else self.modulation.hidden1.shared()

    def heat_map(self, x: Tensor) -> Tensor:
        """Where the translator looks: the attended features summed over their channels, (N, 1, H/4, W/4) ≥ 0."""
        assert self.attention is not None, "this translator has no attention"
        return self._features(x)[0].sum(dim=1, keepdim=True)

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        features = self.encoder(x)
        if self.attention is None:
            return features, None
        attended, logits = self.attention(features)
        return relu(attended, inplace=True), logits


@dataclass(frozen=True)
class UgatitWay(Way):
    """All tensors of a step's generator pass that come from the pictures of one domain.

    `own` are the pictures through the translator into their own domain, `cycle` translated there and back; `logits`
    are the attention logits (N, 2) with which `translated` was made, `own_logits` those of `own`. None where no loss
    needs it.
    """

    cycle: Tensor | None = None
    own: Tensor | None = None
    logits: Tensor | None = None
    own_logits: Tensor | None = None


UgatitOutputs = Outputs[UgatitWay]


class UgatitGenerators(Divided):
    """Both translators. `forward` is the whole generator pass of a training step."""

    def __init__(self, config: UgatitConfig) -> None:
        super().__init__()
        self.to_a = Generator(config)
        self.to_b = Generator(config)
        self.style_dim: int | None = None
        self.size_multiple = config.size_multiple
        self.has_attention = config.generator.cam
        self.fixed_size = config.fixed_size

    def into(self, domain: Domain) -> Generator:
        """The translator into `domain`."""
        return self.to_a if domain == "a" else self.to_b

    def forward(self, pictures: Mapping[Domain, Tensor], with_cycle: bool, with_identity: bool) -> UgatitOutputs:
        """Translate and, if asked, close the cycles and put pictures through the translator into their own domain."""
        into = {d: partial(_translated, self.into(d), self._shared_weight(self.into(d))) for d in DOMAINS}
        if len(pictures) < len(DOMAINS):
            return Outputs({d: _way(d, x, into, with_cycle, with_identity) for d, x in pictures.items()})
        return self._both_ways(pictures, into, with_cycle, with_identity)

    def _both_ways(
        self, pictures: Mapping[Domain, Tensor], into: Mapping[Domain, Translate], with_cycle: bool, with_identity: bool
    ) -> UgatitOutputs:
        """The translators into a and into b may be worked on at once; each sees all its pictures in one call."""
        seen = {d: (pictures[other(d)], pictures[d])[: 1 + with_identity] for d in DOMAINS}
        made = self.each({d: Part(into[d], seen[d]) for d in DOMAINS})
        parted = {d: _by_picture(made[d], len(seen[d][0])) for d in DOMAINS}
        cycles: Mapping[Domain, tuple[Tensor, ...]] = dict.fromkeys(DOMAINS, ())
        if with_cycle:
            cycles = self.each({d: Part(into[d], (parted[other(d)][0],)) for d in DOMAINS})
        ways = {
            d: UgatitWay(
                translated=parted[other(d)][0],
                cycle=next(iter(cycles[d]), None),
                own=parted[d][1],
                logits=parted[other(d)][2],
                own_logits=parted[d][3],
            )
            for d in DOMAINS
        }
        return Outputs(ways)

    def _shared_weight(self, network: Generator) -> SharedWeight | None:
        """What all calls of `network` in this pass share; nothing where each of them has a graph of its own."""
        return None if self.divides(2) else network.shared_weight()

    def translate(self, x: Tensor, to: Domain, style: Tensor | None) -> Tensor:
        """`x` translated to `to`. There is one answer: `style` is None."""
        assert style is None, "U-GAT-IT has no styles"
        picture: Tensor = self.into(to)(x)[0]
        return picture

    def attention(self, x: Tensor, to: Domain) -> Tensor:
        """Where the translator into `to` looks in `x`: (N, 1, H/4, W/4) ≥ 0, without a natural scale."""
        return self.into(to).heat_map(x)


def _num_positions(config: GeneratorConfig) -> int:
    """How many positions the perceptron sees: one in the light model."""
    if config.light:
        return 1
    assert config.size is not None, "UgatitConfig.at_size ties the full model to a picture size"
    height, width = config.size
    return int((height // 2**NUM_DOWNSAMPLES) * (width // 2**NUM_DOWNSAMPLES))


def _decoder_norm(config: UgatitConfig, channels: int) -> FoldedNorm:
    """The norm of the decoder's residual blocks: AdaLIN and AdaIN take γ and β, the others learn their own."""
    generator = config.generator
    match generator.norm:
        case "adalin":
            return FoldedNorm(
                channels,
                "blend",
                affine=False,
                rho_init=generator.rho_init,
                rho_max=generator.rho_max,
                variance=config.variance,
            )
        case "adain":
            return FoldedNorm(channels, "instance", affine=False, variance=config.variance)
        case norm:
            return FoldedNorm(channels, norm, affine=True, variance=config.variance)


def _way(
    source: Domain, x: Tensor, into: Mapping[Domain, Translate], with_cycle: bool, with_identity: bool
) -> UgatitWay:
    translated, logits = _with_logits(into[other(source)](x))
    own, own_logits = _with_logits(into[source](x)) if with_identity else (None, None)
    cycle = into[source](translated)[0] if with_cycle else None
    return UgatitWay(translated=translated, cycle=cycle, own=own, logits=logits, own_logits=own_logits)


def _with_logits(made: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """The pictures `made`, and their logits or None."""
    pictures, *logits = made
    return pictures, next(iter(logits), None)


def _translated(network: Generator, shared: SharedWeight | None, *batches: Tensor) -> tuple[Tensor, ...]:
    """Translations of all `batches` in one call and, with attention, their logits."""
    pictures, logits = network(batches[0] if len(batches) == 1 else torch.cat(batches), shared)
    return (pictures,) if logits is None else (pictures, logits)


def _by_picture(made: Sequence[Tensor], num: int) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """The first `num` of the pictures `made` and the others, then likewise the logits. None for what is not there."""
    pictures, logits = _with_logits(made)
    first, others = _parted(pictures, num)
    return first, others, *(_parted(logits, num) if logits is not None else (None, None))


def _parted(rows: Tensor, num: int) -> tuple[Tensor, Tensor | None]:
    return (rows[:num], rows[num:]) if len(rows) > num else (rows, None)
