"""MUNIT's two auto-encoders. Layer by layer as the reference.

A style code is (N, style_dim); a content code is (N, dim·2^num_downsamples, H / 2^num_downsamples, W / …).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from unpaired.layers.at_once import Divided, Part
from unpaired.layers.convs import ConvBlock, make_activation, make_conv
from unpaired.layers.pending import Pending
from unpaired.layers.recompute import Recomputable
from unpaired.layers.resblocks import AdaINResBlock, ResBlock
from unpaired.models.base import DOMAINS, Domain, Outputs, Way, other
from unpaired.models.munit.config import (
    NUM_STYLE_DOWNSAMPLES,
    GeneratorConfig,
    MunitConfig,
)

LARGE_PIXELS = 2**16
"""Of a picture that gains nothing from being worked on together with others."""

CENTERED_SPREAD = 0.5
"""Of AdaIN's parameters at the start, as a share of what their initialization gives, where scales are centered."""


class ContentEncoder(Recomputable):
    """Picture (N, 3, H, W) → content code. Instance norm takes the style out."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        pad, norm, activation = config.padding, config.content_norm, config.activation
        block = partial(ConvBlock, pad=pad, norm=norm, activation=activation)
        channels = config.dim
        layers: list[nn.Module] = [block(3, channels, 7, 1, 3)]
        for _ in range(config.num_downsamples):
            layers.append(block(channels, channels * 2, 4, 2, 1))
            channels *= 2
        layers += [ResBlock(channels, pad=pad, norm=norm, activation=activation) for _ in range(config.num_res_blocks)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, C, H/2^d, W/2^d)."""
        out: Pending = self.layers(Pending(x))
        return out.value()


class StyleEncoder(Recomputable):
    """Picture (N, 3, H, W) → style code (N, style_dim). No norm: the style lives in the statistics."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        block = partial(ConvBlock, pad=config.padding, norm=config.style_norm, activation=config.activation)
        channels = config.dim
        layers: list[nn.Module] = [block(3, channels, 7, 1, 3)]
        for level in range(NUM_STYLE_DOWNSAMPLES):
            wider = channels * 2 if level < 2 else channels
            layers.append(block(channels, wider, 4, 2, 1))
            channels = wider
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, config.style_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, style_dim)."""
        features: Pending = self.layers(Pending(x))
        pooled = features.value().mean(dim=(2, 3), keepdim=True)
        out: Tensor = self.head(pooled).flatten(1)
        return out


class Decoder(Recomputable):
    """Content code and AdaIN parameters → picture."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        pad, activation = config.padding, config.activation
        channels = config.dim * 2**config.num_downsamples
        self.res_blocks = nn.ModuleList(
            AdaINResBlock(channels, pad=pad, activation=activation) for _ in range(config.num_res_blocks)
        )
        self.num_adain_parameters = config.num_res_blocks * 4 * channels
        ups: list[nn.Module] = []
        for _ in range(config.num_downsamples):
            norm = config.upsample_norm
            ups.append(
                ConvBlock(channels, channels // 2, 5, 1, 2, pad=pad, norm=norm, activation=activation, upsample=2)
            )
            channels //= 2
        self.up_blocks = nn.ModuleList(ups)
        self.head = make_conv(channels, 3, 7, 1, 3, pad=pad)

    def first_map(self, content: Tensor) -> Tensor | None:
        """What the first convolution makes of `content`, the same for every style. None without residual blocks."""
        if not self.res_blocks:
            return None
        block = self.res_blocks[0]
        assert isinstance(block, AdaINResBlock)
        return block.first_map(content)

    def forward(self, content: Tensor, adain_parameters: Tensor, first_map: Tensor | None = None) -> Tensor:
        """(N, C, h, w), (N, num_adain_parameters) → (N, 3, h·2^d, w·2^d) in [-1, 1].

        `first_map` of the content, where it is known already, is not computed again.
        """
        pending = Pending(content)
        if self.res_blocks:
            per_block = adain_parameters.chunk(len(self.res_blocks), dim=1)
            for block, parameters in zip(self.res_blocks, per_block, strict=True):
                pending = block(pending, parameters, first_map)
                first_map = None  # the others see another map
        for block in self.up_blocks:
            pending = block(pending)
        out: Tensor = self.head(pending).tanh()
        return out


class AutoEncoder(nn.Module):
    """One domain's encoders and decoder: G, E^c and E^s of the paper."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.mixes_samples = config.upsample_norm == "batch"
        self.area_scale = 4**config.num_downsamples
        self.content_encoder = ContentEncoder(config)
        self.style_encoder = StyleEncoder(config)
        self.decoder = Decoder(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.style_dim, config.mlp_dim),
            make_activation(config.activation),
            nn.Linear(config.mlp_dim, config.mlp_dim),
            make_activation(config.activation),
            nn.Linear(config.mlp_dim, self.decoder.num_adain_parameters),
        )

    @torch.no_grad()
    def center_adain(self) -> None:
        """Let AdaIN start near plain instance norm: scales around 1, and what styles add to both parameters halved."""
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(CENTERED_SPREAD)
        parameters = last.bias.view(len(self.decoder.res_blocks), 2, 2, -1)  # block, AdaIN, bias and scale
        parameters[:, :, 1] = 1.0

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Content code and style code of pictures (N, 3, H, W)."""
        return self.content_encoder(x), self.style_encoder(x)

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """The picture with this content and this style: (N, 3, H, W) in [-1, 1]."""
        out: Tensor = self.decoder(content, self.mlp(style))
        return out

    def decoder_of(self, content: Tensor) -> Callable[[Tensor], Tensor]:
        """What makes the picture of a style (N, style_dim) with this `content`: what styles share is computed now."""
        first_map = self.decoder.first_map(content)

        def decode(style: Tensor) -> Tensor:
            out: Tensor = self.decoder(content, self.mlp(style), first_map)
            return out

        return decode

    def decode_all(self, *codes: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
        """The picture of each pair of a content and a style code. In one pass, but where samples mix or are large:
        one large picture keeps all cores busy, and the maps of its gradients take half the memory of two pictures'."""
        if self.mixes_samples or codes[0][0].shape[2:].numel() * self.area_scale >= LARGE_PIXELS:
            return (self.decode(content, style) for content, style in codes)
        contents, styles = (torch.cat(each) for each in zip(*codes, strict=True))
        return iter(torch.split(self.decode(contents, styles), [len(content) for content, _ in codes]))

    def make(self, content: Tensor, style: Tensor, other: Tensor, prior: Tensor, *more: Tensor) -> tuple[Tensor, ...]:
        """What a step makes with this domain's networks once both domains are encoded.

        The picture of its own `content` and `style`; that of the `other` domain's content with the style `prior`, and
        the content and style of that, encoded again; then those of the other's content with the styles `more`.
        """
        # what is made last goes first on the way back, and its maps with it: own, of which nothing else is made
        pictures = self.decode_all(*((other, drawn) for drawn in (prior, *more)), (content, style))
        translated = next(pictures)
        encoded_again = self.encode(translated)
        *again, own = pictures
        return own, translated, *encoded_again, *again

    def close_cycle(self, content: Tensor, style: Tensor) -> tuple[Tensor]:
        """The picture with the content that a translation kept and its own style."""
        return (self.decode(content, style),)


@dataclass(frozen=True)
class MunitWay(Way):
    """All tensors of a step's generator pass that come from the pictures of one domain.

    Their `content` and `style`, and `own`, decoded from these; `translated` is decoded from their content and
    `prior_style`, a random style of the other domain, and gives `content_recon` and `style_recon` when it is encoded
    again. `cycle`, decoded from `content_recon` and `style`, is None without cycle loss; `translated_again`, made with
    `prior_style_again`, without mode seeking.
    """

    content: Tensor
    style: Tensor
    own: Tensor
    prior_style: Tensor
    content_recon: Tensor
    style_recon: Tensor
    cycle: Tensor | None = None
    prior_style_again: Tensor | None = None
    translated_again: Tensor | None = None


MunitOutputs = Outputs[MunitWay]


class MunitGenerators(Divided):
    """Both auto-encoders. `forward` is the whole generator pass of a training step."""

    def __init__(self, config: MunitConfig) -> None:
        super().__init__()
        self.a = AutoEncoder(config.generator)
        self.b = AutoEncoder(config.generator)
        self.style_dim: int | None = config.generator.style_dim
        self.size_multiple = config.size_multiple
        self.fixed_size: tuple[int, int] | None = None
        self.has_attention = False

    def center_adain(self) -> None:
        """Let AdaIN of both start near plain instance norm."""
        self.a.center_adain()
        self.b.center_adain()

    def of(self, domain: Domain) -> AutoEncoder:
        """The auto-encoder of `domain`."""
        return self.a if domain == "a" else self.b

    def forward(
        self,
        pictures: Mapping[Domain, Tensor],
        prior_styles: Mapping[Domain, Tensor],
        with_cycle: bool,
        more_styles: Mapping[Domain, Tensor] | None = None,
    ) -> MunitOutputs:
        """Encode `pictures`, reconstruct, translate with `prior_styles`, encode again and, if asked, close the cycle.

        Styles are given of both domains; `more_styles`, where there are some, are those of second translations.
        """
        if len(pictures) < len(DOMAINS):
            return Outputs({d: self._way(d, x, prior_styles, with_cycle, more_styles) for d, x in pictures.items()})
        return self._both_ways(pictures, prior_styles, with_cycle, more_styles)

    def _way(
        self,
        source: Domain,
        x: Tensor,
        prior_styles: Mapping[Domain, Tensor],
        with_cycle: bool,
        more_styles: Mapping[Domain, Tensor] | None,
    ) -> MunitWay:
        target = other(source)
        here, there = self.of(source), self.of(target)
        content, style = here.encode(x)
        prior_style = prior_styles[target]
        again = None if more_styles is None else more_styles[target]
        styles = [prior_style] if again is None else [prior_style, again]
        translated, *translated_again = there.decode_all(*((content, drawn) for drawn in styles))
        content_recon, style_recon = there.encode(translated)
        return MunitWay(
            translated=translated,
            content=content,
            style=style,
            own=here.decode(content, style),
            prior_style=prior_style,
            content_recon=content_recon,
            style_recon=style_recon,
            cycle=here.decode(content_recon, style) if with_cycle else None,
            prior_style_again=again,
            translated_again=next(iter(translated_again), None),
        )

    def _both_ways(
        self,
        pictures: Mapping[Domain, Tensor],
        prior_styles: Mapping[Domain, Tensor],
        with_cycle: bool,
        more_styles: Mapping[Domain, Tensor] | None,
    ) -> MunitOutputs:
        """The same of both domains: the networks of a and those of b may be worked on at once."""
        encoded = self.each({d: Part(self.of(d).encode, (pictures[d],)) for d in DOMAINS})
        again = {d: () if more_styles is None else (more_styles[d],) for d in DOMAINS}
        seen = {d: (*encoded[d], encoded[other(d)][0], prior_styles[d], *again[d]) for d in DOMAINS}
        made = self.each({d: Part(self.of(d).make, seen[d]) for d in DOMAINS})
        content_recon = {d: made[other(d)][2] for d in DOMAINS}
        closed: Mapping[Domain, tuple[Tensor, ...]] = dict.fromkeys(DOMAINS, ())
        if with_cycle:
            kept = {d: (content_recon[d], encoded[d][1]) for d in DOMAINS}
            closed = self.each({d: Part(self.of(d).close_cycle, kept[d]) for d in DOMAINS})
        ways = {
            d: MunitWay(
                translated=made[other(d)][1],
                content=encoded[d][0],
                style=encoded[d][1],
                own=made[d][0],
                prior_style=prior_styles[other(d)],
                content_recon=content_recon[d],
                style_recon=made[other(d)][3],
                cycle=next(iter(closed[d]), None),
                prior_style_again=next(iter(again[other(d)]), None),
                translated_again=next(iter(made[other(d)][4:]), None),
            )
            for d in DOMAINS
        }
        return Outputs(ways)

    def encode_content(self, x: Tensor, domain: Domain) -> Tensor:
        """Content code of pictures of `domain`."""
        out: Tensor = self.of(domain).content_encoder(x)
        return out

    def encode_style(self, x: Tensor, domain: Domain) -> Tensor:
        """Style codes (N, style_dim) of pictures of `domain`."""
        out: Tensor = self.of(domain).style_encoder(x)
        return out

    def decode(self, content: Tensor, style: Tensor, domain: Domain) -> Tensor:
        """Pictures of `domain`: (N, 3, H, W) in [-1, 1]."""
        return self.of(domain).decode(content, style)

    def decoder_of(self, content: Tensor, domain: Domain) -> Callable[[Tensor], Tensor]:
        """What makes pictures of `domain` with this `content` of styles (N, style_dim)."""
        return self.of(domain).decoder_of(content)

    def translate(self, x: Tensor, to: Domain, style: Tensor | None) -> Tensor:
        """`x` translated to `to` with `style` (N, style_dim)."""
        assert style is not None, "MUNIT needs a style code"
        return self.decode(self.encode_content(x, "b" if to == "a" else "a"), style, to)

    def attention(self, x: Tensor, to: Domain) -> Tensor:  # noqa: ARG002  the signature is the protocol's
        """There is none: `has_attention` says so."""
        raise AssertionError("MUNIT has no attention")
