"""Normalization layers by name, and the layer norm that MUNIT defines for itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SampleLayerNorm(nn.Module):
    """Layer norm over channels and pixels of each sample, with a scale and a shift per channel.

    Differs from `torch.nn.LayerNorm` as the reference does: the standard deviation is the unbiased one, eps is added to
    it and not to the variance, and the scale starts uniform in [0, 1).
    """

    def __init__(self, num_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.empty(num_channels))
        self.shift = nn.Parameter(torch.empty(num_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the scale from Uniform[0, 1) and set the shift to zero."""
        nn.init.uniform_(self.scale)
        nn.init.zeros_(self.shift)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, C, H, W) normalized, of the same shape. Statistics are computed in float32."""
        variance, mean = torch.var_mean(x.float(), dim=(1, 2, 3), correction=1, keepdim=True)  # (N, 1, 1, 1)
        gain = self.scale.view(1, -1, 1, 1) / (variance.sqrt() + self.eps)  # (N, C, 1, 1)
        return torch.addcmul(self.shift.view(1, -1, 1, 1) - mean * gain, x, gain).to(x.dtype)


def make_norm(name: str, num_channels: int, num_groups: int = 8) -> nn.Module:
    """The norm layer called `name` for (N, num_channels, H, W). "none" and "spectral" change nothing here.

    Spectral norm is a property of a convolution's weight: see `convs.ConvBlock`.
    """
    match name:
        case "none" | "spectral":
            return nn.Identity()
        case "instance":
            return nn.InstanceNorm2d(num_channels)
        case "layer":
            return SampleLayerNorm(num_channels)
        case "batch":
            return nn.BatchNorm2d(num_channels)
        case "group":
            return nn.GroupNorm(num_groups, num_channels)
    raise AssertionError(f"unknown norm {name}")
