"""The convolution block that every network of MUNIT is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized

from unpaired.layers.lasting import Convolving
from unpaired.layers.norms import make_norm
from unpaired.layers.padding import PaddingMode, same
from unpaired.layers.pending import ConvShape, Pending, computed, convolved
from unpaired.layers.recompute import made_again

_TORCH_MODES: dict[PaddingMode, Literal["reflect", "replicate", "zeros"]] = {
    "reflect": "reflect",
    "replicate": "replicate",
    "zero": "zeros",
}

_PICTURE_CHANNELS = 3


class Conv2d(nn.Conv2d, Convolving):
    """A convolution with bias of a map that may still be pending, padded by half its kernel or by what is given.

    Its parameters, names and numbers are those of torch's layer. `upsample`: pixels are doubled before the padding (2)
    or not (1).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        padding: int,
        *,
        pad: PaddingMode,
        upsample: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, padding, padding_mode=_TORCH_MODES[pad])
        self.shape = ConvShape(same(padding), pad, stride, upsample)

    def forward(self, x: Pending) -> Tensor:  # type: ignore[override]
        """(N, in_channels, H, W) → (N, out_channels, upsample·H / stride, upsample·W / stride)."""
        return convolved(x, self.weight, self.bias, self.shape, self.kernel)


def make_conv(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int,
    padding: int,
    *,
    pad: PaddingMode,
    spectral: bool = False,
    upsample: int = 1,
) -> nn.Module:
    """A convolution of pending maps, padded by `padding` pixels in mode `pad`; `spectral`: with spectral norm."""
    conv = Conv2d(in_channels, out_channels, kernel, stride, padding, pad=pad, upsample=upsample)
    return parametrizations.spectral_norm(conv) if spectral else conv


def make_activation(name: str) -> nn.Module:
    """The activation layer called `name`."""
    match name:
        case "relu":
            return nn.ReLU(inplace=True)
        case "lrelu":
            return nn.LeakyReLU(0.2, inplace=True)
        case "prelu":
            return nn.PReLU()
        case "selu":
            return nn.SELU(inplace=True)
        case "tanh":
            return nn.Tanh()
        case "none":
            return nn.Identity()
    raise AssertionError(f"unknown activation {name}")


def activated(x: Pending, activation: nn.Module) -> Pending:
    """`x` with `activation` after it: pending too where that is possible. `x` has none yet."""
    assert x.slope == 1.0
    match activation:
        case nn.Identity():
            return x
        case nn.ReLU():
            return replace(x, slope=0.0)
        case nn.LeakyReLU():
            return replace(x, slope=activation.negative_slope)
    return Pending(activation(x.value()))


class ConvBlock(nn.Module):
    """Padding → convolution (always with bias) → norm → activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        padding: int,
        *,
        pad: PaddingMode,
        norm: str,
        activation: str,
        upsample: int = 1,
    ) -> None:
        super().__init__()
        self.conv = make_conv(
            in_channels, out_channels, kernel, stride, padding, pad=pad, spectral=norm == "spectral", upsample=upsample
        )
        self.norm = make_norm(norm, out_channels)
        self.activation = make_activation(activation)

    def forward(self, x: Pending) -> Pending:
        """(N, in_channels, H, W) → (N, out_channels, upsample·H / stride, upsample·W / stride)."""
        with x.sparing():
            raw = self.conv(x)
        again = self._again(x, raw)
        with made_again(raw, again):
            normed: Pending = self.norm(raw)
        return activated(replace(normed, again=again) if normed.raw is raw else normed, self.activation)

    def _again(self, x: Pending, raw: Tensor) -> Callable[[], Tensor] | None:
        """What makes `raw` again where that is cheap: of pictures, which are small and have maps that are not."""
        if not isinstance(self.conv, Conv2d) or is_parametrized(self.conv) or self.conv.in_channels > _PICTURE_CHANNELS:
            return None
        assert self.conv.bias is not None
        weight, bias = (parameter.detach().to(raw.dtype) for parameter in (self.conv.weight, self.conv.bias))
        return partial(computed, Pending(x.raw.detach()), weight, bias, self.conv.shape)
