"""Feature maps whose norm and activation are computed where they are needed, and again in the backward pass.

A plain chain convolution → norm → activation → padding → convolution keeps three or four maps for the backward pass.
Here a norm is only a gain and a shift per channel (`layers.adalin`), and the convolution that follows computes its own
input from the raw map, so that one map a convolution is kept. Numbers are those of the plain chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import interpolate, leaky_relu, pad

from unpaired.layers.precision import compute_dtype, without_autocast

Padding = tuple[int, int, int, int]
"""Reflected pixels: left, right, top, bottom."""


@dataclass(frozen=True)
class Pending:
    """The map `activation(raw * gain + shift)`, not computed yet.

    `raw` (N, C, H, W); `gain` and `shift`, both or none, are float32 and broadcast to (N, C, 1, 1). The activation is a
    leaky ReLU with the given `slope`: 0 is ReLU, 1 is none.
    """

    raw: Tensor
    gain: Tensor | None = None
    shift: Tensor | None = None
    slope: float = 1.0

    def value(self) -> Tensor:
        """The map itself, in the type of `raw`."""
        return _applied(self.raw, self.gain, self.shift, self.slope)

    def added_to(self, x: Tensor) -> Tensor:
        """`x` plus the map: the end of a residual block. Without an activation only."""
        assert self.slope == 1.0
        if self.gain is None or self.shift is None:
            return x + self.raw
        return (torch.addcmul(x, self.raw, self.gain) + self.shift).to(x.dtype)


class PendingConv2d(nn.Module):
    """Reflection padding and a convolution, of a map that may still be pending. The result is raw again.

    `upsample` repeats each pixel that many times in both directions before padding.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: Padding,
        upsample: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, bias=bias)
        self.shape = _Shape(upsample, padding, stride)

    def forward(self, x: Pending, *, with_bias: bool = True) -> Tensor:
        """(N, in_channels, H, W) → (N, out_channels, …). Leaves the bias to the caller unless `with_bias`."""
        dtype = compute_dtype(x.raw)
        weight = self.conv.weight.to(dtype)
        bias = self.conv.bias.to(dtype) if with_bias and self.conv.bias is not None else None
        with without_autocast(x.raw):
            if torch.is_grad_enabled():
                out: Tensor = _Convolution.apply(x.raw, x.gain, x.shift, weight, bias, x.slope, self.shape)
                return out
            prepared = self.shape.fitted(_applied(x.raw, x.gain, x.shift, x.slope))
            return torch.conv2d(prepared.to(dtype), weight, bias, self.shape.stride)


@dataclass(frozen=True)
class _Shape:
    """How a map is brought to shape for its convolution."""

    upsample: int
    padding: Padding
    stride: int

    def fitted(self, x: Tensor) -> Tensor:
        if self.upsample > 1:
            x = interpolate(x, scale_factor=self.upsample, mode="nearest")
        return pad(x, self.padding, mode="reflect") if any(self.padding) else x


class _Convolution(torch.autograd.Function):
    """The convolution of a pending map. Keeps the raw map, and computes the convolution's input again when needed."""

    @staticmethod
    def forward(
        ctx: Any,
        raw: Tensor,
        gain: Tensor | None,
        shift: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        slope: float,
        shape: _Shape,
    ) -> Tensor:
        ctx.save_for_backward(raw, gain, shift, weight)
        ctx.slope, ctx.shape = slope, shape
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        prepared = shape.fitted(_applied(raw, gain, shift, slope))
        return torch.conv2d(prepared.to(weight.dtype), weight, bias, shape.stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, weight = ctx.saved_tensors
        wanted: tuple[bool, ...] = ctx.needs_input_grad
        leaves: list[Any] = [
            t if t is None else t.detach().requires_grad_(want) for t, want in zip(inputs, wanted[:3], strict=True)
        ]
        with torch.enable_grad():
            prepared = ctx.shape.fitted(_applied(leaves[0], leaves[1], leaves[2], ctx.slope)).to(weight.dtype)
        grad_prepared, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            grad, prepared.detach(), weight, ctx.bias_sizes, [ctx.shape.stride] * 2, [0, 0], [1, 1], False, [0, 0], 1,
            [any(wanted[:3]), wanted[3], wanted[4]],
        )  # fmt: skip
        targets = [leaf for leaf, want in zip(leaves, wanted[:3], strict=True) if want]
        found = iter(torch.autograd.grad(prepared, targets, grad_prepared) if targets else ())
        return *(next(found) if want else None for want in wanted[:3]), grad_weight, grad_bias, None, None


def _applied(raw: Tensor, gain: Tensor | None, shift: Tensor | None, slope: float) -> Tensor:
    if gain is None or shift is None:
        return raw if slope == 1.0 else leaky_relu(raw, slope)
    out = torch.addcmul(shift, raw, gain).to(raw.dtype)
    return out if slope == 1.0 else leaky_relu(out, slope, inplace=True)
