"""Normalization layers by name, and the layer norm that MUNIT defines for itself. All give pending maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unpaired.layers.adalin import FoldedNorm, Moments
from unpaired.layers.pending import Pending
from unpaired.layers.precision import without_autocast


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

    def forward(self, x: Tensor) -> Pending:
        """`x` (N, C, H, W) normalized. Statistics are computed in float32."""
        with without_autocast(x):
            sample = Moments.of(x).merged(1)
            gain = self.scale / (sample.unbiased_variance.sqrt() + self.eps)  # (N, C)
            shift = self.shift - sample.mean * gain
        return Pending(x, gain[:, :, None, None], shift[:, :, None, None])


class NoNorm(nn.Module):
    """Changes nothing."""

    def forward(self, x: Tensor) -> Pending:
        """`x` as it is."""
        return Pending(x)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm, computed at once: its statistics are not those of a sample."""

    def forward(self, x: Tensor) -> Pending:  # type: ignore[override]
        """`x` (N, C, H, W) normalized."""
        return Pending(super().forward(x))


class GroupNorm(nn.GroupNorm):
    """Group norm, computed at once."""

    def forward(self, x: Tensor) -> Pending:  # type: ignore[override]
        """`x` (N, C, H, W) normalized."""
        return Pending(super().forward(x))


def make_norm(name: str, num_channels: int, num_groups: int = 8) -> nn.Module:
    """The norm layer called `name` for (N, num_channels, H, W). "none" and "spectral" change nothing here.

    Spectral norm is a property of a convolution's weight: see `convs.ConvBlock`.
    """
    match name:
        case "none" | "spectral":
            return NoNorm()
        case "instance":
            return FoldedNorm(num_channels, "instance", affine=False)
        case "layer":
            return SampleLayerNorm(num_channels)
        case "batch":
            return BatchNorm(num_channels)
        case "group":
            return GroupNorm(num_groups, num_channels)
    raise AssertionError(f"unknown norm {name}")
