"""Residual blocks without an activation after the sum."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from unpaired.layers.adain import adain
from unpaired.layers.convs import ConvBlock, activated, make_activation, make_conv
from unpaired.layers.padding import PaddingMode
from unpaired.layers.pending import Pending


class ResBlock(nn.Module):
    """x + conv(conv(x)): 3×3 convolutions with a norm, activation only after the first."""

    def __init__(self, channels: int, *, pad: PaddingMode, norm: str, activation: str) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels, 3, 1, 1, pad=pad, norm=norm, activation=activation)
        self.second = ConvBlock(channels, channels, 3, 1, 1, pad=pad, norm=norm, activation="none")

    def forward(self, x: Pending) -> Pending:
        """(N, channels, H, W) → the same shape."""
        value = x.value()
        start = Pending(value, again=x.again if value is x.raw else None)
        return summed(start, self.second(self.first(start)))


class AdaINResBlock(nn.Module):
    """The residual block with AdaIN as norm; the AdaIN parameters are an argument."""

    def __init__(self, channels: int, *, pad: PaddingMode, activation: str) -> None:
        super().__init__()
        self.first = make_conv(channels, channels, 3, 1, 1, pad=pad)
        self.second = make_conv(channels, channels, 3, 1, 1, pad=pad)
        self.activation = make_activation(activation)

    def first_map(self, x: Tensor) -> Tensor:
        """What the first convolution makes of `x`. It does not depend on the AdaIN parameters."""
        out: Tensor = self.first(Pending(x))
        return out

    def forward(self, x: Pending, parameters: Tensor, first_map: Tensor | None = None) -> Pending:
        """(N, C, H, W) → the same shape. `parameters` (N, 4·C): bias and scale of both AdaINs.

        `first_map` of `x`, where it is known already, is not computed again.
        """
        first_bias, first_scale, second_bias, second_scale = parameters.chunk(4, dim=1)
        with x.sparing():
            first = self.first_map(x.raw) if first_map is None else first_map
        hidden = activated(adain(first, first_bias, first_scale), self.activation)
        return summed(x, adain(self.second(hidden), second_bias, second_scale))


def summed(x: Pending, out: Pending) -> Pending:
    """`x`, a map without norm and activation, plus `out`: the end of a residual block. It is not kept.

    The norm of `out` keeps its map anyway, so sums are made again from the first block's input on.
    """
    if not torch.is_grad_enabled():
        return Pending(out.added_to(x.raw))  # no backward pass: what would make the sum again need not be held
    kept = Pending(out.raw.detach(), _detached(out.gain), _detached(out.shift))
    again = partial(_sum, x.again or x.raw.detach(), kept)
    return Pending(out.added_to(x.raw), again=again)


def _detached(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.detach()


def _sum(start: Tensor | Callable[[], Tensor], out: Pending) -> Tensor:
    return out.added_to(start if isinstance(start, Tensor) else start())
