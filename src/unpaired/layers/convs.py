"""The convolution block that every network of MUNIT is made of."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.utils import parametrizations

from unpaired.layers.norms import make_norm

_PADDING_MODES: dict[str, Literal["reflect", "replicate", "zeros"]] = {
    "reflect": "reflect",
    "replicate": "replicate",
    "zero": "zeros",
}


def make_conv(
    in_channels: int, out_channels: int, kernel: int, stride: int, padding: int, *, pad: str, spectral: bool = False
) -> nn.Module:
    """A convolution with bias, padded by `padding` pixels in mode `pad`, its weight spectrally normalized or not."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, padding_mode=_PADDING_MODES[pad])
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
        pad: str,
        norm: str,
        activation: str,
    ) -> None:
        super().__init__()
        spectral = norm == "spectral"
        self.conv = make_conv(in_channels, out_channels, kernel, stride, padding, pad=pad, spectral=spectral)
        self.norm = make_norm(norm, out_channels)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) → (N, out_channels, H / stride, W / stride)."""
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out
