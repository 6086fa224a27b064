"""Feature maps whose norm and activation are computed where they are needed, and again in the backward pass.

A plain chain convolution → norm → activation → padding → convolution keeps three or four maps for the backward pass.
Here a norm is only a gain and a shift per channel (`layers.adalin`), and the convolution that follows computes its own
input from the raw map, so that one map a convolution is kept. Numbers are those of the plain chain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from unpaired.layers import convolution
from unpaired.layers.padding import Padding, PaddingMode
from unpaired.layers.precision import compute_dtype, without_autocast
from unpaired.layers.prepared import Preparation, applied
from unpaired.layers.upsample import interleaved, phase_mode, phase_weight, with_reflected_border

_OUTER = [0, 1, -2, -1]  # rows or columns


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
        return applied(self.raw, self.gain, self.shift, self.slope)

    def added_to(self, x: Tensor) -> Tensor:
        """`x` plus the map: the end of a residual block. Without an activation only."""
        assert self.slope == 1.0
        if self.gain is None or self.shift is None:
            return x + self.raw
        return (torch.addcmul(x, self.raw, self.gain) + self.shift).to(x.dtype)


@dataclass(frozen=True)
class ConvShape:
    """The shape of a convolution: padding of its input in a mode, then its stride. `upsample`: after ×2, or not (1)."""

    padding: Padding
    mode: PaddingMode = "reflect"
    stride: int = 1
    upsample: int = 1


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
        self.shape = ConvShape(padding, stride=stride, upsample=upsample)

    def forward(self, x: Pending, *, with_bias: bool = True) -> Tensor:
        """(N, in_channels, H, W) → (N, out_channels, …). Leaves the bias to the caller unless `with_bias`."""
        return convolved(x, self.conv.weight, self.conv.bias if with_bias else None, self.shape)


def convolved(x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape) -> Tensor:
    """The convolution of a pending map, raw: (N, C, H, W) and (O, C, k, k) → (N, O, …), in autocast's type."""
    dtype = compute_dtype(x.raw)
    weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
    with without_autocast(x.raw):
        if shape.upsample == 1:
            return _convolved(x, weight, bias, shape)
        assert shape.upsample == 2, "pixels are doubled or left as they are"
        return _convolved_after_doubling(x, weight, bias, shape)


def _convolved_after_doubling(x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape) -> Tensor:
    """See `layers.upsample`."""
    kernel = weight.shape[2]
    assert shape.stride == 1
    assert shape.padding == (kernel // 2,) * 4
    small = ConvShape((1, 1, 1, 1), phase_mode(kernel, shape.mode))
    phase_bias = None if bias is None else bias.repeat_interleave(4)
    out = interleaved(_convolved(x, phase_weight(weight), phase_bias, small))
    if kernel == 3 or shape.mode != "reflect":
        return out
    rows, columns = replace(x, raw=x.raw[:, :, _OUTER]), replace(x, raw=x.raw[:, :, :, _OUTER])
    return with_reflected_border(out, rows.value().to(out.dtype), columns.value().to(out.dtype), weight)


def _convolved(x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape) -> Tensor:
    out: Tensor = _Convolution.apply(x.raw, x.gain, x.shift, weight, bias, x.slope, shape)
    return out


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
        shape: ConvShape,
    ) -> Tensor:
        ctx.save_for_backward(raw, gain, shift, weight, bias)
        ctx.slope, ctx.shape = slope, shape
        whole = Preparation(raw, gain, shift, slope, shape.padding, shape.mode).in_place(weight.dtype)
        out = convolution.convolve(whole, weight, shape.stride)
        return out if bias is None else out.add_(bias[:, None, None])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gradients = _differentiable_gradients if torch.is_grad_enabled() else _gradients
        return *gradients(grad, ctx.saved_tensors, ctx.needs_input_grad[:5], ctx.slope, ctx.shape), None, None


def _gradients(
    grad: Tensor, inputs: tuple[Any, ...], wanted: tuple[bool, ...], slope: float, shape: ConvShape
) -> tuple[Tensor | None, ...]:
    """The gradients of `_Convolution`'s tensors."""
    raw, gain, shift, weight, _ = inputs
    for_map, for_weight, for_bias = wanted[:3], wanted[3], wanted[4]
    preparation = Preparation(raw, gain, shift, slope, shape.padding, shape.mode)
    whole = preparation.in_place(weight.dtype)
    grad_whole, grad_weight = convolution.gradients(grad, whole, weight, shape.stride, (any(for_map), for_weight))
    grad_map = (None,) * 3 if grad_whole is None else preparation.gradients(grad_whole, whole, for_map)
    return *grad_map, grad_weight, grad.sum(dim=(0, 2, 3)) if for_bias else None


def _differentiable_gradients(
    grad: Tensor, inputs: tuple[Any, ...], wanted: tuple[bool, ...], slope: float, shape: ConvShape
) -> tuple[Tensor | None, ...]:
    """The same for gradients of gradients, such as R1: torch's own, of the plain chain of operations."""
    views: list[Any] = [t if t is None else t.view_as(t) for t in inputs]  # the chain ends at these
    raw, gain, shift, weight, bias = views
    whole = Preparation(raw, gain, shift, slope, shape.padding, shape.mode).whole(weight.dtype)
    out = torch.conv2d(whole, weight, bias, shape.stride)
    targets = [t for t, want in zip(views, wanted, strict=True) if want]
    found = iter(torch.autograd.grad(out, targets, grad, create_graph=True))
    return tuple(next(found) if want else None for want in wanted)
