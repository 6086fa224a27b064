"""What a convolution works on: a map with its norm and activation applied, padded. And the way back for gradients.

On a CPU this is done in place, in memory that is used again: a map is written once, where the convolution reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from unpaired.layers.mixed import affine, affine_gradients, affine_into, is_mixed, summed
from unpaired.layers.padding import Padding, PaddingMode, fill_border, fold_border, inside, padded
from unpaired.layers.scratch import Scratch

_scratch = Scratch()


@dataclass(frozen=True)
class Preparation:
    """activation(raw · gain + shift), then padding. `gain` and `shift`: both or none; `slope` of the leaky ReLU."""

    raw: Tensor
    gain: Tensor | None
    shift: Tensor | None
    slope: float
    padding: Padding
    mode: PaddingMode

    def whole(self, dtype: torch.dtype) -> Tensor:
        """The padded map in `dtype`, with autograd's knowledge. On a CPU in channels-last order."""
        x = padded(applied(self.raw, self.gain, self.shift, self.slope), self.padding, self.mode).to(dtype)
        return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x

    @torch.no_grad()
    def in_place(self, dtype: torch.dtype) -> Tensor:
        """The same without autograd, on a CPU in scratch memory: valid until the next call."""
        if self.raw.device.type != "cpu":
            return self.whole(dtype)
        left, right, top, bottom = self.padding
        num, channels, height, width = self.raw.shape
        whole = _scratch.map("prepared", (num, channels, height + top + bottom, width + left + right), dtype)
        inner = inside(whole, self.padding)
        if self.gain is None or self.shift is None:
            inner.copy_(self.raw)
            _activate(inner, self.slope)
        elif is_mixed(self.gain, self.raw, inner):
            affine_into(inner, self.raw, self.gain, self.shift, slope=self.slope)
        else:
            torch.addcmul(self.shift, self.raw, self.gain, out=inner)
            _activate(inner, self.slope)
        fill_border(whole, self.padding, self.mode)
        return whole

    @torch.no_grad()
    def gradients(self, grad: Tensor, whole: Tensor, wanted: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
        """The gradients of raw, gain and shift by that of `whole`, what `in_place` gave. Uses up both tensors."""
        fold_border(grad, self.padding, self.mode)
        inner, result = inside(grad, self.padding), inside(whole, self.padding)
        if self.gain is not None and self.shift is not None and is_mixed(self.gain, self.raw, inner):
            norm = self.gain, self.shift
            return affine_gradients(inner, self.raw, *norm, wanted, result=result, slope=self.slope)
        if self.slope != 1.0:
            inner = torch.ops.aten.leaky_relu_backward(inner, result, self.slope, True)
            _free(grad)
        if self.gain is None or self.shift is None:
            return inner.to(self.raw.dtype) if wanted[0] else None, None, None
        of_shift = summed(inner, self.shift) if wanted[2] else None
        of_gain = summed(self._times_raw(inner), self.gain) if wanted[1] else None
        return inner.mul_(self.gain).to(self.raw.dtype) if wanted[0] else None, of_gain, of_shift

    def _times_raw(self, grad: Tensor) -> Tensor:
        """`grad` · raw, on a CPU where `whole` was, which is used up by now."""
        if grad.device.type != "cpu":
            return grad * self.raw
        return torch.mul(grad, self.raw, out=_scratch.map("prepared", grad.shape, grad.dtype))


def _free(x: Tensor) -> None:
    """Give back the memory of `x`, used up, which a caller still holds: a map less where a step needs most.

    On a CPU alone; torch's storages on Apple's GPUs cannot shrink.
    """
    if x.device.type == "cpu":
        x.untyped_storage().resize_(0)


def applied(raw: Tensor, gain: Tensor | None, shift: Tensor | None, slope: float) -> Tensor:
    """leaky_relu(raw · gain + shift) in the type of `raw`: `slope` 0 is ReLU, 1 no activation."""
    if gain is None or shift is None:
        return raw if slope == 1.0 else leaky_relu(raw, slope)
    if is_mixed(gain, raw):
        return affine(raw, gain, shift, slope=slope)
    out = torch.addcmul(shift, raw, gain).to(raw.dtype)
    return out if slope == 1.0 else leaky_relu(out, slope, inplace=True)


def _activate(x: Tensor, slope: float) -> None:
    if slope != 1.0:
        leaky_relu(x, slope, inplace=True)
