"""Feature maps whose norm and activation are computed where they are needed, and again in the backward pass.

A plain chain convolution → norm → activation → padding → convolution keeps three or four maps for the backward pass.
Here a norm is only a gain and a shift per channel (`layers.adalin`), and the convolution that follows computes its own
input from the raw map, so that one map a convolution is kept. Numbers are those of the plain chain.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from unpaired.layers import convolution
from unpaired.layers.lasting import Convolving, LastingKernel
from unpaired.layers.mixed import affine, is_mixed
from unpaired.layers.padding import Padding, PaddingMode
from unpaired.layers.precision import compute_dtype, without_autocast
from unpaired.layers.prepared import Preparation, applied
from unpaired.layers.recompute import made_again
from unpaired.layers.thin import ThinGradient
from unpaired.layers.upsample import interleaved, outermost, phase_mode, phase_weight, with_reflected_border


@dataclass(frozen=True)
class Pending:
    """The map `activation(raw * gain + shift)`, not computed yet.

    `raw` (N, C, H, W); `gain` and `shift`, both or none, are float32 and broadcast to (N, C, 1, 1). The activation is a
    leaky ReLU with the given `slope`: 0 is ReLU, 1 is none. Where `again` is given, it makes `raw` a second time from
    what is kept anyway, for so little that `raw` itself need not be kept for the backward pass: see `sparing`.
    """

    raw: Tensor
    gain: Tensor | None = None
    shift: Tensor | None = None
    slope: float = 1.0
    again: Callable[[], Tensor] | None = None

    def value(self) -> Tensor:
        """The map itself, in the type of `raw`."""
        return applied(self.raw, self.gain, self.shift, self.slope)

    def sparing(self) -> AbstractContextManager[None]:
        """The context for operations that read `raw`, in which they do not keep it where it can be made again."""
        return made_again(self.raw, self.again)

    def added_to(self, x: Tensor) -> Tensor:
        """`x` plus the map: the end of a residual block. Without an activation only."""
        assert self.slope == 1.0
        if self.gain is None or self.shift is None:
            return x + self.raw
        if is_mixed(self.gain, self.raw, x):
            return affine(self.raw, self.gain, self.shift, plus=x)
        return torch.addcmul(x, self.raw, self.gain).add_(self.shift).to(x.dtype)


@dataclass(frozen=True)
class ConvShape:
    """The shape of a convolution: padding of its input in a mode, then its stride. `upsample`: after ×2, or not (1)."""

    padding: Padding
    mode: PaddingMode = "reflect"
    stride: int = 1
    upsample: int = 1


class PendingConv2d(Convolving):
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

    def forward(self, x: Pending) -> Tensor:
        """(N, in_channels, H, W) → (N, out_channels, …)."""
        return convolved(x, self.conv.weight, self.conv.bias, self.shape, self.kernel)


def convolved(
    x: Pending,
    weight: Tensor,
    bias: Tensor | None,
    shape: ConvShape,
    kernel: LastingKernel | None = None,
    thin: list[ThinGradient] | None = None,
) -> Tensor:
    """The convolution of a pending map, raw: (N, C, H, W) and (O, C, k, k) → (N, O, …), in autocast's type.

    `kernel`, where there is one, makes it faster without gradients. The backward pass may leave a thin gradient of
    `weight` in the list `thin` instead of giving it.
    """
    dtype = compute_dtype(x.raw)
    with without_autocast(x.raw):
        if kernel is not None and x.raw.device.type == "cpu" and not torch.is_grad_enabled():
            return _convolved_by(kernel, x, weight, bias, shape, dtype)
        if dtype != weight.dtype and shape.upsample == 1 and _is_read_once(x.raw, weight, shape):
            return _convolved(x, weight, bias, shape, thin).to(dtype)
        return _convolved_as_shaped(x, weight.to(dtype), None if bias is None else bias.to(dtype), shape, thin)


def _is_read_once(raw: Tensor, weight: Tensor, shape: ConvShape) -> bool:
    left, right, top, bottom = shape.padding
    num, channels, height, width = raw.shape
    size = (num, channels, height + top + bottom, width + left + right)
    return raw.device.type == "cpu" and convolution.is_read_once(size, weight.shape, shape.stride)


def _convolved_as_shaped(
    x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape, thin: list[ThinGradient] | None = None
) -> Tensor:
    if shape.upsample == 1:
        return _convolved(x, weight, bias, shape, thin)
    assert shape.upsample == 2, "pixels are doubled or left as they are"
    return _convolved_after_doubling(x, weight, bias, shape)


def _convolved_by(
    kernel: LastingKernel, x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape, dtype: torch.dtype
) -> Tensor:
    bias = None if bias is None else bias.to(dtype)
    if shape.upsample == 1:
        return kernel.convolve(_whole(x, shape).in_place(dtype), weight, bias, shape.stride)
    out = kernel.convolve_doubled(_whole(x, _before_doubling(weight, shape)).in_place(dtype), weight, bias)
    return _with_border(out, x, kernel.rounded(weight, dtype), shape)


def _convolved_after_doubling(x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape) -> Tensor:
    """See `layers.upsample`."""
    phase_bias = None if bias is None else bias.repeat(4)
    out = interleaved(_convolved(x, phase_weight(weight), phase_bias, _before_doubling(weight, shape)))
    return _with_border(out, x, weight, shape)


def _before_doubling(weight: Tensor, shape: ConvShape) -> ConvShape:
    """How the phases are convolved for a convolution after ×2 of this `shape`."""
    kernel = weight.shape[2]
    assert shape.stride == 1
    assert shape.padding == (kernel // 2,) * 4
    return ConvShape((1, 1, 1, 1), phase_mode(kernel, shape.mode))


def _with_border(out: Tensor, x: Pending, weight: Tensor, shape: ConvShape) -> Tensor:
    if weight.shape[2] == 3 or shape.mode != "reflect":
        return out
    rows, columns = (replace(x, raw=raw).value().to(out.dtype) for raw in outermost(x.raw, 2))
    return with_reflected_border(out, rows, columns, weight)


def _whole(x: Pending, shape: ConvShape) -> Preparation:
    return Preparation(x.raw, x.gain, x.shift, x.slope, shape.padding, shape.mode)


def _convolved(
    x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape, thin: list[ThinGradient] | None = None
) -> Tensor:
    out: Tensor = _Convolution.apply(x.raw, x.gain, x.shift, weight, bias, x.slope, shape, thin)
    return out


def computed(x: Pending, weight: Tensor, bias: Tensor | None, shape: ConvShape) -> Tensor:
    """The convolution without autograd's knowledge, of a `weight` in the type of the result, without doubling."""
    return convolution.convolve(_whole(x, shape).in_place(weight.dtype), weight, bias, shape.stride)


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
        thin: list[ThinGradient] | None,
    ) -> Tensor:
        ctx.save_for_backward(raw, gain, shift, weight, bias)
        ctx.slope, ctx.shape, ctx.thin = slope, shape, thin
        return computed(Pending(raw, gain, shift, slope), weight, bias, shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        of_tensors = grad, ctx.saved_tensors, ctx.needs_input_grad[:5], ctx.slope, ctx.shape
        if torch.is_grad_enabled():
            return *_differentiable_gradients(*of_tensors), None, None, None
        return *_gradients(*of_tensors, ctx.thin), None, None, None


def _gradients(
    grad: Tensor,
    inputs: tuple[Any, ...],
    wanted: tuple[bool, ...],
    slope: float,
    shape: ConvShape,
    left: list[ThinGradient] | None,
) -> tuple[Tensor | None, ...]:
    """The gradients of `_Convolution`'s tensors. That of the weight may be `left` thin."""
    raw, gain, shift, weight, _ = inputs
    for_map, for_weight, for_bias = wanted[:3], wanted[3], wanted[4]
    preparation = Preparation(raw, gain, shift, slope, shape.padding, shape.mode)
    whole = preparation.in_place(weight.dtype)
    if for_weight and left is not None:
        thin = convolution.thin_gradient(grad, whole, weight, shape.stride)
        if thin is not None:
            left.append(thin)
            for_weight = False
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
