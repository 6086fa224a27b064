"""Convolutions without padding, each computed in the way that is fastest for its shape. All ways give the same numbers.

On a CPU in float32 and bfloat16, 3×3 kernels and 4×4 kernels with stride 2 are computed by Winograd's minimal
filtering (`layers.winograd`), and kernels with a few outputs in blocks of pixels; in any type, maps of fewer pixels
than channels by one matrix product (`layers.unfolded`). All else is torch's own convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from unpaired.layers.processor import has_amx
from unpaired.layers.products import uses_onednn
from unpaired.layers.thin import ThinGradient
from unpaired.layers.unfolded import Unfolded
from unpaired.layers.winograd import Winograd

Gradients = tuple[Tensor | None, Tensor | None]
"""Of the input and of the weight."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """x (N, C, H, W), weight (O, C, k, k) and bias (O,) → (N, O, (H − k) / stride + 1, …), without autograd."""
    return _way(x, weight, stride).convolve(x, weight, bias)


def gradients(grad: Tensor, x: Tensor, weight: Tensor, stride: int, wanted: tuple[bool, bool]) -> Gradients:
    """The gradients of `x` and `weight`, those that are `wanted`, by the gradient (N, O, h, w) of `convolve`."""
    return _way(x, weight, stride).gradients(grad, x, weight, wanted)


def arranged(module: nn.Module, device: torch.device) -> nn.Module:
    """`module` on `device`, its kernels in the order of memory in which they are used fastest. Values stay the same."""
    module.to(device)
    if device.type == "cpu":
        module.to(memory_format=torch.channels_last)
    return module


def thin_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> ThinGradient | None:
    """The gradient of `weight` without multiplying it out, where it is computed as one product at all."""
    way = _way(x, weight, stride)
    return way.thin(grad, x, weight) if isinstance(way, Unfolded) else None


class _Way(Protocol):
    """One way to compute a convolution."""

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor: ...

    def gradients(self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]) -> Gradients: ...


def _way(x: Tensor, weight: Tensor, stride: int) -> _Way:
    if x.device.type == "cpu" and x.dtype in _TILES:
        num_outputs, num_inputs, side = weight.shape[:3]
        if (side, stride) in _TAPS and winograd_pays(x, weight.shape, stride):
            taps = _TAPS[side, stride]
            return _Filtering(taps, stride, _TILES[x.dtype][taps])
        if stride == 1 and side >= _WIDE_KERNEL and min(num_outputs, num_inputs) <= _FEW:
            return _FewOutputs() if num_outputs <= _FEW else _FewInputs()
    if x.device.type == "cpu" and _num_pixels(x.shape, weight.shape[2], stride) <= len(weight):
        return Unfolded(stride)
    return _Plain(stride)


_TAPS = {(3, 1): 3, (4, 2): 2}  # of Winograd's filter, by side and stride of the kernel
_TILES = {  # their sides for the forward pass and for gradients, by type and taps
    torch.float32: {3: (3, 4), 2: (4, 4)},
    torch.bfloat16: {3: (2, 4), 2: (3, 4)},
}
_FEW = 4  # channels: of a picture, or of few pictures
_WIDE_KERNEL = 5
_FEW_PIXELS = 32


def winograd_pays(x: Tensor, kernel: Sequence[int], stride: int) -> bool:
    """Whether multiplications saved outweigh transforms, for a weight of the shape `kernel` (outputs, inputs, k, k).

    Transforms grow with the channels and not with their product.

    Fitted to measurements with AVX-512; see benchmarks/speed. Few tiles do not pay for the kernels'. In bfloat16
    products cost half as much and transforms nearly the same, and so they do in float32 where oneDNN is twice as fast
    as MKL, which makes the transforms; with AMX products cost next to nothing.
    """
    narrowest = min(kernel[:2])
    num_pixels = _num_pixels(x.shape, kernel[2], stride)
    if x.dtype == torch.bfloat16:
        return narrowest >= 128 and num_pixels >= 1024 and not has_amx()
    if uses_onednn(x):
        return stride == 1 and narrowest >= 128 and max(kernel[:2]) >= 256 and num_pixels >= 1024
    if stride == 1 and narrowest >= 128:
        return num_pixels >= 256
    return narrowest >= 64 and num_pixels >= 4096


def is_read_once(size: Sequence[int], kernel: Sequence[int], stride: int) -> bool:
    """Whether convolving maps of `size` (N, C, H, W) on a CPU is little more than reading the weight of shape `kernel`.

    Rounding such a weight to bfloat16 first, into fresh memory, takes several times as long as using it as it is.
    """
    return _num_pixels(size, kernel[2], stride) <= _FEW_PIXELS and prod(kernel) >= 2**20


def _num_pixels(size: Sequence[int], side: int, stride: int) -> int:
    """Of all maps of the result."""
    height, width = ((length - side) // stride + 1 for length in size[2:])
    return size[0] * height * width


class _Plain:
    """As torch does it."""

    def __init__(self, stride: int) -> None:
        self.stride = stride

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return torch.conv2d(x, weight, bias, stride=self.stride)

    def gradients(self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]) -> Gradients:
        grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, [self.stride] * 2, [0, 0], [1, 1], False, [0, 0], 1, [*wanted, False]
        )
        return grad_x, grad_weight


class _Filtering:
    """By Winograd's minimal filtering.

    Of 3×3 kernels the forward pass takes the tiles that round least: which side of zero a value falls on decides which
    way gradients go. Gradients themselves take tiles that are faster.
    """

    def __init__(self, taps: int, stride: int, tiles: tuple[int, int]) -> None:
        self._forward, self._backward = (Winograd(taps, stride, tile) for tile in tiles)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._forward.convolve(x, weight, bias)

    def gradients(self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]) -> Gradients:
        return self._backward.gradients(grad, x, weight, wanted)


class _FewOutputs:
    """Four pixels at once: a kernel one pixel wider with stride 2 and four times the outputs.

    Vector units work on 16 outputs at a time; a kernel that makes pictures leaves 13 of them idle.
    """

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        height, width = (length - weight.shape[2] + 1 for length in x.shape[2:])
        biases = None if bias is None else bias.repeat_interleave(4)
        blocks = torch.conv2d(_even(x, height, width), _shifted(weight), biases, stride=2)
        return pixel_shuffle(blocks, 2)[:, :, :height, :width]

    def gradients(self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]) -> Gradients:
        grad_x = _Plain(1).gradients(grad, x, weight, (True, False))[0] if wanted[0] else None
        return grad_x, self._of_weight(grad, x, weight) if wanted[1] else None

    def _of_weight(self, grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        height, width = grad.shape[2:]
        blocks = pixel_unshuffle(_even(grad, height, width), 2).contiguous(memory_format=torch.channels_last)
        _, shifted = _Plain(2).gradients(blocks, _even(x, height, width), _shifted(weight), (False, True))
        assert shifted is not None
        side = weight.shape[2]
        phases = torch.unflatten(shifted, 0, (-1, 4)).unbind(1)
        return sum(
            (phase[:, :, p // 2 : p // 2 + side, p % 2 : p % 2 + side] for p, phase in enumerate(phases)),
            start=torch.zeros_like(weight),
        )


class _FewInputs:
    """As torch does it, but for the gradient of a picture: a convolution with few outputs."""

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return torch.conv2d(x, weight, bias)

    def gradients(self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]) -> Gradients:
        around = [weight.shape[2] - 1] * 4
        turned = weight.flip(2, 3).transpose(0, 1)
        grad_x = _FewOutputs().convolve(pad(grad, around), turned) if wanted[0] else None
        return grad_x, _Plain(1).gradients(grad, x, weight, (False, True))[1] if wanted[1] else None


def _even(x: Tensor, height: int, width: int) -> Tensor:
    """`x` with another row and column of zeros where the result (height, width) has an odd number."""
    return pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x


def _shifted(weight: Tensor) -> Tensor:
    """`weight` (O, C, k, k) at each of the four places of a kernel one pixel wider: (O·4, C, k + 1, k + 1)."""
    places = [pad(weight, (column, 1 - column, row, 1 - row)) for row in (0, 1) for column in (0, 1)]
    return torch.stack(places, dim=1).flatten(0, 1)
