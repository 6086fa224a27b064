"""Attention by class activation maps (Zhou et al., CVPR 2016; Kim et al., ICLR 2020, section 2.1.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from unpaired.layers.precision import without_autocast
from unpaired.layers.spectral import SpectralNorm
from unpaired.layers.wide_linear import SharedWeight


class DomainClassifier(nn.Module):
    """One linear layer on pooled features, whose weight also says how much each channel speaks for the domain.

    With `spectral` its weight is normalized; `raw_attention` then attends with the weight before that, as the PyTorch
    code of U-GAT-IT does. With `bias` the bias is part of each channel's weight, as in the TensorFlow code.
    """

    def __init__(self, channels: int, *, bias: bool, spectral: bool, raw_attention: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, 1, bias=bias)
        self.sigma = SpectralNorm(self.fc.weight) if spectral else None
        self.raw_attention = raw_attention

    def forward(self, *pooled: Tensor) -> tuple[list[Tensor], Tensor]:
        """A logit (N, 1) for each of the `pooled` features (N, C), and the weights of the channels (C,)."""
        raw = weight = self.fc.weight
        if self.sigma is not None:
            raw, sigma = self.sigma(self.fc.weight)
            weight = raw / sigma
        logits = [linear(features, weight, self.fc.bias) for features in pooled]
        attention = (raw if self.raw_attention else weight)[0]
        return logits, attention if self.fc.bias is None else attention + self.fc.bias


class CamAttention(nn.Module):
    """Weights features by what speaks for the domain, seen by average and by maximum pooling, and mixes both.

    `shared`: one classifier with bias for both poolings (the TensorFlow code) instead of one each without.
    """

    def __init__(
        self, channels: int, *, shared: bool = False, spectral: bool = False, raw_attention: bool = False
    ) -> None:
        super().__init__()
        make = {"bias": shared, "spectral": spectral, "raw_attention": raw_attention}
        self.average = DomainClassifier(channels, **make)
        self.maximum = None if shared else DomainClassifier(channels, **make)
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`x` (N, C, H, W) → the attended features before their activation, of the same shape, and logits (N, 2)."""
        with without_autocast(x):  # logits stay exact
            pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # a view in either order of memory
            pooled = [p.to(self.mix.weight.dtype) for p in (pixels.mean(dim=1), pixels.max(dim=1).values)]  # (N, C)
            logits, attention = self._classify(*pooled)
        return self._mixed(x, *attention), logits

    def _mixed(self, x: Tensor, by_average: Tensor, by_maximum: Tensor) -> Tensor:
        """1×1 weights mix two copies of `x`, whose channels are multiplied by `by_average` and `by_maximum` (C,).

        That is one mixing with multiplied weights. What is larger, copies or weights, is never made.
        """
        channels = x.shape[1]
        if x.numel() < channels**2:
            pixels = x.permute(0, 2, 3, 1)
            copies = torch.cat([pixels * by_average, pixels * by_maximum], dim=3)
            assert self.mix.bias is not None
            mixed = SharedWeight(self.mix.weight).product(copies.flatten(0, 2))
            mixed = mixed + self.mix.bias.to(mixed.dtype)
            return mixed.view(*pixels.shape).permute(0, 3, 1, 2)
        with without_autocast(x):
            mix_average, mix_maximum = self.mix.weight.flatten(1).chunk(2, dim=1)  # (C, C) each
            weight = mix_average * by_average + mix_maximum * by_maximum
        return _pointwise(x, weight, self.mix.bias)

    def _classify(self, average: Tensor, maximum: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if self.maximum is None:
            logits, attention = self.average(average, maximum)
            return torch.cat(logits, dim=1), (attention, attention)
        (logit_average,), by_average = self.average(average)
        (logit_maximum,), by_maximum = self.maximum(maximum)
        return torch.cat([logit_average, logit_maximum], dim=1), (by_average, by_maximum)


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 1×1 convolution: (N, C, H, W) and weight (O, C) → (N, O, H, W).

    On a CPU, where maps are in channels-last order, as the matrix product that it is: torch's convolution reorders the
    weight and its gradient, which takes 40 times as long as 9 pixels.
    """
    if x.device.type != "cpu":
        return torch.conv2d(x, weight[:, :, None, None], bias)
    return linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)
