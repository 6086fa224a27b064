"""Maps in bfloat16 with gains and shifts in float32, on a CPU block by block.

Where types differ, torch's operations first copy whole maps to float32, into fresh memory: that took twenty times as
long as the arithmetic, and a third of a step. Here a block is copied to float32 scratch memory that stays in the
processor's cache, worked on there, and rounded once where it is written. Large maps need no copies: see
`layers.batch_norm`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from unpaired.layers import batch_norm
from unpaired.layers.blocks import Block, blocks, in_float32, scratch_block


def is_mixed(gain: Tensor, *maps: Tensor) -> bool:
    """Whether operations on `gain` and `maps` are better made in blocks than by torch's own."""
    return gain.device.type == "cpu" and any(x.dtype != gain.dtype for x in maps)


def affine(x: Tensor, gain: Tensor, shift: Tensor, *, slope: float = 1.0, plus: Tensor | None = None) -> Tensor:
    """leaky_relu(x · gain + shift) + `plus`, in the type of `plus`, without one in that of `x`: (N, C, H, W).

    `gain` and `shift` are float32 and broadcast to (N, C, 1, 1); `slope` 1 is no activation. Differentiable, twice too.
    """
    out: Tensor = _Affine.apply(x, gain, shift, slope, plus)
    return out


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, slope: float, plus: Tensor | None) -> Tensor:
        assert slope == 1.0 or plus is None
        out = affine_into(torch.empty_like(x if plus is None else plus), x, gain, shift, slope=slope, plus=plus)
        ctx.save_for_backward(x, gain, shift, out if slope != 1.0 else None)
        ctx.slope = slope
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, shift, result = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        of_plus = grad if wanted[4] else None
        if not torch.is_grad_enabled():
            found = affine_gradients(grad, x, gain, shift, wanted[:3], result=result, slope=ctx.slope)
            return *found, None, of_plus
        values = (grad if result is None else torch.where(result > 0, grad, grad * ctx.slope)).to(gain.dtype)
        of_gain, of_shift = summed(values * x, gain), summed(values, shift)
        return (values * gain).to(x.dtype), of_gain, of_shift, None, of_plus


@torch.no_grad()
def affine_into(
    out: Tensor, x: Tensor, gain: Tensor, shift: Tensor, *, slope: float = 1.0, plus: Tensor | None = None
) -> Tensor:
    """Writes leaky_relu(x · gain + shift) + `plus` to `out`, which is given back: (N, C, H, W).

    Small maps are rounded once, large ones before the activation and before the sum too.
    `gain` and `shift` are float32 and broadcast to (N, C, 1, 1); `slope` 1 is no activation.
    """
    if out.dtype == x.dtype and batch_norm.suits(x):
        _write_without_copies(out, x, gain, shift, slope, plus)
        return out
    for block in blocks(x):
        values = in_float32("values", x[block])
        torch.addcmul(_of(shift, block), values, _of(gain, block), out=values)
        if slope != 1.0:
            leaky_relu(values, slope, inplace=True)
        if plus is not None:
            values.add_(in_float32("plus", plus[block]))
        out[block].copy_(values)
    return out


@torch.no_grad()
def affine_gradients(
    grad: Tensor,
    x: Tensor,
    gain: Tensor,
    shift: Tensor,
    wanted: tuple[bool, ...],
    *,
    result: Tensor | None = None,
    slope: float = 1.0,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of `x` (N, C, H, W), `gain` and `shift` by `grad`, that of what `affine` gave without `plus`.

    `result` is what it gave, and can be left out where the `slope` is 1.
    """
    if grad.dtype == x.dtype and batch_norm.suits(x):
        return _gradients_without_copies(grad, x, gain, shift, wanted, result, slope)
    of_x = torch.empty_like(x) if wanted[0] else None
    of_gain, of_shift = (gain.new_zeros(len(x), x.shape[1], 1, 1) if want else None for want in wanted[1:])
    for block in blocks(x):
        values = in_float32("values", grad[block])
        if result is not None and slope != 1.0:
            activated = in_float32("plus", result[block])
            torch.ops.aten.leaky_relu_backward.grad_input(values, activated, slope, True, grad_input=values)
        if of_shift is not None:
            of_shift[block[0]] += values.sum(dim=(2, 3), keepdim=True)
        if of_gain is not None:
            of_gain[block[0]] += in_float32("plus", x[block]).mul_(values).sum(dim=(2, 3), keepdim=True)
        if of_x is not None:
            of_x[block].copy_(values.mul_(_of(gain, block)))
    return of_x, _reduced(of_gain, gain), _reduced(of_shift, shift)


def _write_without_copies(
    out: Tensor, x: Tensor, gain: Tensor, shift: Tensor, slope: float, plus: Tensor | None
) -> None:
    maps = torch.split(x, 1), torch.split(out, 1), [None] * len(x) if plus is None else torch.split(plus, 1)
    for one, target, more, *norm in zip(*maps, _by_sample(gain, x), _by_sample(shift, x), strict=True):
        for block in blocks(one):
            part, place = one[block], target[block]
            is_all = more is None and slope == 1.0 and place.is_contiguous(memory_format=torch.channels_last)
            values = place if is_all else scratch_block("rounded", part, x.dtype)
            batch_norm.affine_into(values, part, *norm)
            if more is not None:
                torch.add(values, more[block], out=place)
            elif not is_all:
                torch.ops.aten.leaky_relu.out(values, slope, out=place)


def _gradients_without_copies(
    grad: Tensor, x: Tensor, gain: Tensor, shift: Tensor, wanted: tuple[bool, ...], result: Tensor | None, slope: float
) -> batch_norm.Gradients:
    if result is not None and slope != 1.0:
        of_result, grad = grad, torch.empty_like(x)
        torch.ops.aten.leaky_relu_backward.grad_input(of_result, result, slope, True, grad_input=grad)
    grad = grad.contiguous(memory_format=torch.channels_last)
    samples = zip(torch.split(grad, 1), torch.split(x, 1), _by_sample(gain, x), strict=True)
    of_x, *of_norm = zip(*(batch_norm.affine_gradients(*sample, wanted) for sample in samples), strict=True)
    of_gain, of_shift = (
        _reduced(torch.stack(each)[:, :, None, None], like) if want else None
        for each, like, want in zip(of_norm, (gain, shift), wanted[1:], strict=True)
    )
    return (of_x[0] if len(of_x) == 1 else torch.cat(of_x)) if wanted[0] else None, of_gain, of_shift


def _by_sample(gains: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    """Those of each map in `x` (N, C, H, W), (C,) each."""
    return gains.expand(*x.shape[:2], 1, 1).flatten(1).unbind()


def summed(x: Tensor, like: Tensor) -> Tensor:
    """`x` added up to the shape of `like`, in its type."""
    dims = [dim for dim, length in enumerate(like.shape) if length == 1]
    return x.sum(dim=dims, keepdim=True, dtype=like.dtype)


def _reduced(x: Tensor | None, like: Tensor) -> Tensor | None:
    return None if x is None else summed(x, like)


def _of(gains: Tensor, block: Block) -> Tensor:
    """Those of the samples of `block`."""
    return gains if len(gains) == 1 else gains[block[0]]
