"""Norms as a gain and a shift per sample and channel: instance, layer, group norm, LIN and AdaLIN (Kim et al., 2020).

All of them follow from the mean and variance of each channel of each sample, so a map is read once for its statistics
and once where its norm is applied (`layers.pending`). Statistics are float32, also under bfloat16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from unpaired.layers import batch_norm
from unpaired.layers.blocks import in_float32, is_in_order, scratch_block
from unpaired.layers.mixed import affine, is_mixed
from unpaired.layers.pending import Pending
from unpaired.layers.precision import without_autocast

Standardization = Literal["instance", "layer", "group", "blend"]
Variance = Literal["biased", "unbiased"]
Affine = tuple[Tensor, Tensor]
"""Gain and shift, each (N, C)."""

NUM_GROUPS = 32  # Wu & He, ECCV 2018; fewer where the channels cannot be divided by it


@dataclass(frozen=True)
class Moments:
    """`mean` and biased `variance` of each channel of each sample, (N, C) float32, over `num_pixels` pixels."""

    mean: Tensor
    variance: Tensor
    num_pixels: int

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        """The moments of `x` (N, C, H, W). Keeps `x` itself for the backward pass, whatever its type."""
        return cls(*channel_moments(x), x.shape[2] * x.shape[3])

    def merged(self, num_groups: int) -> Moments:
        """Those of each of `num_groups` groups of channels: (N, num_groups). Exact.

        The variance of a group is the mean of its channels' variances plus the variance of their means.
        """
        means, variances = (torch.unflatten(m, 1, (num_groups, -1)) for m in (self.mean, self.variance))
        mean = means.mean(dim=2)
        variance = variances.mean(dim=2) + (means - mean[:, :, None]).square().mean(dim=2)
        return Moments(mean, variance, self.num_pixels * means.shape[2])

    @property
    def unbiased_variance(self) -> Tensor:
        """The variance with Bessel's correction."""
        return self.variance * (self.num_pixels / (self.num_pixels - 1))


def channel_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of each picture in `x` (N, C, H, W): (N, C) each, float32 or better.

    May be replaced from outside by a `TorchFunctionMode`, as torch's own norms may.
    """
    if has_torch_function_unary(x):
        mean, variance = handle_torch_function(channel_moments, (x,), x)
        return mean, variance
    mean, variance = _MeanAndVariance.apply(x)
    return mean, variance


class _MeanAndVariance(torch.autograd.Function):
    """Mean and biased variance in float32.

    Large maps on a CPU by `layers.batch_norm`. Of others `mean` adds up in pairs: a plain sum over 256² pixels, such as
    a vector norm's in channels-last order, is wrong in the fifth digit.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = batch_norm.moments(x) if batch_norm.suits(x) else _at_a_time(x)
        ctx.save_for_backward(x, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, grad_mean: Tensor, grad_variance: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        num_pixels = x.shape[2] * x.shape[3]
        gain = 2 * grad_variance / num_pixels
        shift = (grad_mean / num_pixels - gain * mean)[:, :, None, None]
        gain = gain[:, :, None, None]
        if is_mixed(gain, x):
            return affine(x, gain, shift)
        return torch.addcmul(shift, x, gain).to(x.dtype)


def _at_a_time(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of all maps at once."""
    values = _in_float32(x)
    mean = values.mean(dim=(2, 3))
    return mean, _mean_square(values, mean)


def _in_float32(x: Tensor) -> Tensor:
    """`x` in float32 or better, on a CPU in scratch memory."""
    if x.dtype.itemsize >= torch.float32.itemsize:
        return x
    return in_float32("values", x) if is_in_order(x) else x.float()


def _mean_square(x: Tensor, mean: Tensor) -> Tensor:
    """The mean of the squares of `x` less `mean`, for each channel of each sample."""
    about = mean[:, :, None, None]
    if not is_in_order(x):
        return (x - about).square_().mean(dim=(2, 3))
    squares = scratch_block("squares", x, x.dtype)
    torch.ops.aten.mse_loss.out(x, about.expand_as(x), 0, out=squares)  # in one pass
    return squares.mean(dim=(2, 3))


def instance_affine(moments: Moments, variance: Variance, eps: float) -> Affine:
    """Gain and shift that standardize each channel of each sample."""
    gain = torch.rsqrt((moments.variance if variance == "biased" else moments.unbiased_variance) + eps)
    return gain, -moments.mean * gain


def group_affine(moments: Moments, num_groups: int, variance: Variance, eps: float) -> Affine:
    """Gain and shift that standardize each of `num_groups` groups of channels of each sample; 1 group is layer norm."""
    num_channels = moments.mean.shape[1]
    gain, shift = instance_affine(moments.merged(num_groups), variance, eps)
    repeats = num_channels // num_groups
    return gain.repeat_interleave(repeats, dim=1), shift.repeat_interleave(repeats, dim=1)


class FoldedNorm(nn.Module):
    """A norm of (N, C, H, W) maps that gives back a pending map.

    "blend" is ρ·(instance norm) + (1 − ρ)·(layer norm) with one learnt ρ a channel, stored as it is used and kept in
    [0, rho_max] by `clip_rho`. With `affine` it has its own γ and β ("blend" is then the paper's LIN, used while
    up-sampling); without, they are arguments of `forward` ("blend" is then AdaLIN, eq. 1) or 1 and 0.
    """

    def __init__(
        self,
        channels: int,
        kind: Standardization,
        *,
        affine: bool,
        rho_init: float = 0.0,
        rho_max: float = 1.0,
        variance: Variance = "biased",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.kind, self.variance, self.eps = kind, variance, eps
        self.rho_init, self.rho_max = rho_init, rho_max
        self.num_groups = math.gcd(NUM_GROUPS, channels) if kind == "group" else 1
        self.rho = nn.Parameter(torch.empty(channels)) if kind == "blend" else None
        self.gamma = nn.Parameter(torch.empty(channels)) if affine else None
        self.beta = nn.Parameter(torch.empty(channels)) if affine else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ρ to its start, γ to 1 and β to 0."""
        if self.rho is not None:
            nn.init.constant_(self.rho, self.rho_init)
        if self.gamma is not None and self.beta is not None:
            nn.init.ones_(self.gamma)
            nn.init.zeros_(self.beta)

    def clip_rho(self) -> None:
        """Bring ρ back into [0, rho_max]."""
        if self.rho is not None:
            self.rho.clamp_(0.0, self.rho_max)

    def forward(self, x: Tensor, style: Affine | None = None, *, slope: float = 1.0) -> Pending:
        """`x` (N, C, H, W) standardized, times γ plus β, then a leaky ReLU with `slope`: not computed yet.

        `style` holds γ and β, each (N, C), where they are not parameters.
        """
        with without_autocast(x):
            gain, shift = self._standardize(Moments.of(x))
            gamma, beta = (
                (self.gamma, self.beta) if style is None else (style[0].to(gain.dtype), style[1].to(gain.dtype))
            )
            if gamma is not None and beta is not None:
                gain, shift = gamma * gain, torch.addcmul(beta, gamma, shift)
        return Pending(x, gain[:, :, None, None], shift[:, :, None, None], slope)

    def _standardize(self, moments: Moments) -> Affine:
        if self.kind == "instance":
            return instance_affine(moments, self.variance, self.eps)
        layer = group_affine(moments, self.num_groups, self.variance, self.eps)
        if self.rho is None:
            return layer
        instance = instance_affine(moments, self.variance, self.eps)
        gain, shift = (torch.lerp(of_layer, of_instance, self.rho)
                       for of_layer, of_instance in zip(layer, instance, strict=True))  # fmt: skip
        return gain, shift
