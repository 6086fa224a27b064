"""Convolutions after nearest-neighbour ×2, computed before it: the same numbers with a third of the arithmetic.

Of the pixels under a kernel after ×2, several are copies of one. Adding up the weights that meet the same pixel gives
four smaller kernels, one for each phase (row and column, even or odd) of the result: 3×3 instead of 5×5, with four
times the outputs, on a quarter of the pixels. Inside the picture this is exact. At the border, zero padding and
replication after ×2 are the same as before it, and so is reflection by one pixel (it repeats the border). Reflection
by two pixels is not: the outermost rows and columns of the result are corrected.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from unpaired.layers.padding import PaddingMode

PHASE_KERNEL = 3
"""The side of the phases' kernels."""
KERNELS = (3, 5)
"""The sides of kernels that this works for."""


def phase_weight(weight: Tensor) -> Tensor:
    """weight (O, C, k, k) of a convolution after ×2 → (4·O, C, 3, 3) of one before it: all outputs of each phase."""
    sums = _phase_sums(weight.shape[2], weight)  # (2, 3, k)
    phases = torch.einsum("piy,qjx,ocyx->pqocij", sums, sums, weight)
    return phases.flatten(0, 2)


def phase_mode(kernel: int, mode: PaddingMode) -> PaddingMode:
    """How to pad by one pixel before ×2 for the result of padding by half the `kernel` in `mode` after it."""
    assert kernel in KERNELS
    return "replicate" if mode == "reflect" else mode


def interleaved(phases: Tensor) -> Tensor:
    """The result (N, O, 2·H, 2·W) from its phases (N, 4·O, H, W), in their order of memory."""
    out: Tensor = _Interleaved.apply(phases)
    return out


class _Interleaved(torch.autograd.Function):
    """In channels-last order all channels of a pixel are copied at a time, which `pixel_shuffle` does not do."""

    @staticmethod
    def forward(ctx: Any, phases: Tensor) -> Tensor:  # noqa: ARG004  the signature is torch's
        num, channels, height, width = phases.shape
        out = _like(phases, (num, channels // 4, 2 * height, 2 * width))
        _by_phase(out).copy_(torch.unflatten(phases, 1, (2, 2, -1)))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # noqa: ARG004
        return _Apart.apply(grad)


class _Apart(torch.autograd.Function):
    """The other way round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        num, channels, height, width = x.shape
        phases = _like(x, (num, 4 * channels, height // 2, width // 2))
        torch.unflatten(phases, 1, (2, 2, -1)).copy_(_by_phase(x))
        return phases

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # noqa: ARG004
        return _Interleaved.apply(grad)


def _by_phase(x: Tensor) -> Tensor:
    """x (N, O, 2·H, 2·W) as (N, 2, 2, O, H, W), a view."""
    apart = torch.unflatten(torch.unflatten(x, 3, (-1, 2)), 2, (-1, 2))
    return apart.permute(0, 3, 5, 1, 2, 4)


def _like(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """An empty map of this `size`, in the order of memory of `x`."""
    is_last = x.is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if is_last else torch.contiguous_format
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=order)


def with_reflected_border(out: Tensor, rows: Tensor, columns: Tensor, weight: Tensor) -> Tensor:
    """`out` as it is with reflection by two pixels after ×2, from what it is with replication. Changes `out` itself.

    `rows` (N, C, 4, W) and `columns` (N, C, H, 4) are the two first and the two last of what was convolved, before ×2;
    `weight` is (O, C, 5, 5).
    """
    kernel_rows, kernel_columns = outermost(weight, 1)
    lacking_rows = _lacking(rows, kernel_rows, ends="reflect")
    lacking_columns = _lacking(columns.mT, kernel_columns.mT, ends="replicate")
    result: Tensor = _AddedAtBorder.apply(out, lacking_rows, lacking_columns)
    return result


def outermost(x: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Of `x` (N, C, H, W) the first and the last `width` rows (N, C, 2·width, W), and as many columns."""
    rows, columns = _Outermost.apply(x, width)
    return rows, columns


class _Outermost(torch.autograd.Function):
    """One gradient for all four parts, in the order of memory of `x`: autograd would add up four whole maps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, width: int) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x)
        ctx.width = width
        starts = {dim: (0, x.shape[dim] - width) for dim in (2, 3)}
        return tuple(torch.cat([x.narrow(dim, start, width) for start in starts[dim]], dim) for dim in starts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        whole = torch.zeros_like(x)
        for dim, grad in zip((2, 3), grads, strict=True):
            for start, part in zip((0, x.shape[dim] - ctx.width), torch.split(grad, ctx.width, dim), strict=True):
                whole.narrow(dim, start, ctx.width).add_(part)
        return whole, None


def _lacking(rows: Tensor, kernel_rows: Tensor, ends: str) -> Tensor:
    """What the first and the last row of the result lack: (N, O, 2, 2·W).

    The row two above the picture is rows[1] instead of rows[0]; of the 5 rows of the kernel only the first meets it,
    and only in the first row of the result. Likewise below. The corners belong to rows and columns: with reflected
    ends of the rows and replicated ends of the columns their shares add up to the whole.
    """
    differences = torch.stack((rows[:, :, 1] - rows[:, :, 0], rows[:, :, 2] - rows[:, :, 3]), dim=2)  # (N, C, 2, W)
    wide = pad(differences.repeat_interleave(2, dim=3), (2, 2, 0, 0), mode=ends)  # (N, C, 2, 2·W + 4)
    return torch.cat([conv2d(wide[:, :, :1], kernel_rows[:, :, :1]), conv2d(wide[:, :, 1:], kernel_rows[:, :, 1:])], 2)


class _AddedAtBorder(torch.autograd.Function):
    """`out` plus `rows` (N, O, 2, W) in its first and last row, and `columns` (N, O, 2, H) in the outer columns.

    In place: by indexing, autograd would copy a whole map four times.
    """

    @staticmethod
    def forward(ctx: Any, out: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.mark_dirty(out)
        out[:, :, :: out.shape[2] - 1] += rows
        out[:, :, :, :: out.shape[3] - 1] += columns.mT
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG004  the signature is torch's
        rows = grad[:, :, :: grad.shape[2] - 1]
        columns = grad[:, :, :, :: grad.shape[3] - 1].mT
        return grad, rows, columns


def _phase_sums(kernel: int, like: Tensor) -> Tensor:
    """Which rows of the kernel meet which row before ×2, for each phase: (2, 3, kernel) of zeros and ones.

    Row y of the kernel meets row 2·i + p + y − kernel // 2 after ×2, which is a copy of the row at half of that.
    """
    sums = torch.zeros(2, PHASE_KERNEL, kernel, dtype=like.dtype)
    for phase in (0, 1):
        for y in range(kernel):
            sums[phase, (phase + y - kernel // 2) // 2 + 1, y] = 1
    return sums.to(like.device)
