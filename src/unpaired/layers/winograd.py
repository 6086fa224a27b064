"""Winograd's minimal filtering for convolutions on a CPU: fewer multiplications for the same result.

m outputs of a filter with r taps need m + r − 1 multiplications instead of m·r (Winograd, 1980; Lavin & Gray, CVPR
2016). In two dimensions, with tiles of 3×3 outputs: 25 instead of 81 for 3×3 kernels; with tiles of 4×4: 36 instead of
144, and 25 instead of 64 for 2×2 kernels. A 4×4 kernel with stride 2 is such a 2×2 kernel over blocks of 2×2 pixels.
Tiles, kernels and outputs are transformed by small matrices; what is left between them is one matrix product for each
of the 25 or 36 positions.

What it costs is rounding. Against a sum term by term in float32 the points below lose 1.2 times as much with 25
positions (3×3), 1.8 times (2×2), and twice with 36 positions; the textbook's (0, ±1, ±2) 2.5, 3.7 and 4.7 times.
Torch's convolution in channels-last order rounds like such a sum. In contiguous order it sums in blocks and is more
exact: against that the points below lose 2.5, 3.5 and 4.1 times with 64 channels, and up to 7 times with 256.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from unpaired.layers.products import batch_product
from unpaired.layers.scratch import Scratch

_POINTS = {  # by the positions along one side: chosen by measured rounding, all exact in binary
    4: tuple(Fraction(p) for p in ("0", "1", "-1")),
    5: tuple(Fraction(p) for p in ("1/2", "-1/2", "5/4", "-5/4")),
    6: tuple(Fraction(p) for p in ("0", "5/8", "-5/8", "3/2", "-3/2")),
}
_STRIP_NUMBERS = 2**21  # in a transformed map: larger ones are made in strips, which is faster (caches) and smaller

_Matrix = list[list[Fraction]]
_scratch = Scratch()


@dataclass(frozen=True)
class Winograd:
    """A convolution without padding whose kernel has `taps`·`stride` pixels a side, for `tile`² outputs at a time."""

    taps: int
    stride: int
    tile: int

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """x (N, C, H, W), weight (O, C, taps·stride, taps·stride) → (N, O, h, w), in channels-last order."""
        return self.filtered(x, self.kernels(weight))

    def filtered(self, x: Tensor, kernels: Tensor, bias: Tensor | None = None, *, spread: int = 1) -> Tensor:
        """`convolve` with the `kernels` (n², O, stride²·C) that `kernels` made of a weight, plus `bias`.

        With a `spread` of 2, each output is one of the 2×2 pixels of a result twice as large: O is (2, 2, outputs).
        """
        rows, columns = self._num_tiles(x)
        num_outputs = len(kernels[0]) // spread**2
        size = (len(x), num_outputs, rows * self.tile * spread, columns * self.tile * spread)
        out = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        whole = out.permute(0, 2, 3, 1).view(-1, rows, self.tile, spread, columns, self.tile, spread, num_outputs)
        for strip, start in self._strips(x, len(kernels[0])):
            first = start // (self.tile * self.stride)
            products = _batch_product("products", self._tiles(strip), kernels.mT)
            apart = _product("pixels", self._matrices(x).outputs, products.view(self._side**2, -1))
            tiles = apart.view(self.tile, self.tile, len(x), -1, columns, spread, spread, num_outputs)
            tiles = tiles.permute(2, 3, 0, 5, 4, 1, 6, 7)
            target = whole[:, first : first + tiles.shape[1]]
            target.copy_(tiles) if bias is None else torch.add(tiles, bias, out=target)
        height, width = (spread * length for length in self._size(x))
        if out.shape[2:] == (height, width):
            return out  # and no view of it, which autograd would not let activations work on in place
        return out[:, :, :height, :width].contiguous(memory_format=torch.channels_last)

    def gradients(
        self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gradients of `x` and of `weight`, those that are `wanted`, by that of the result."""
        for_x, for_weight = wanted
        kernels = self.kernels(weight) if for_x else None
        size = (self._side**2, len(weight), self.stride**2 * x.shape[1])
        grad_kernels = _scratch.take("grad_kernels", size, x.dtype) if for_weight else None
        grad_x: Tensor | None = None
        for strip, start in self._strips(x, len(weight)):
            first = start // self.stride
            products = self._products(grad[:, :, first : first + self._size(strip)[0]], strip)  # (n², T, O)
            if grad_kernels is not None:
                batch_product(products.mT, self._tiles(strip), grad_kernels, add=start > 0)
            if kernels is not None:
                folded = self._folded(_batch_product("tiles", products, kernels), strip)
                grad_x = _added_rows(grad_x, folded, start, x)
        return grad_x, None if grad_kernels is None else self._weight(grad_kernels, weight)

    def _matrices(self, like: Tensor) -> _Matrices:
        return _matrices(self.taps, self.tile, like.dtype)

    @property
    def _side(self) -> int:
        return self.tile + self.taps - 1

    def _size(self, x: Tensor) -> tuple[int, int]:
        """Height and width of the result."""
        return x.shape[2] // self.stride - self.taps + 1, x.shape[3] // self.stride - self.taps + 1

    def _num_tiles(self, x: Tensor) -> tuple[int, int]:
        height, width = self._size(x)
        return -(-height // self.tile), -(-width // self.tile)

    def _strips(self, x: Tensor, num_outputs: int) -> Iterator[tuple[Tensor, int]]:
        """`x` in overlapping strips of whole rows of tiles, each with its first row."""
        rows, columns = self._num_tiles(x)
        depth = max(x.shape[1] * self.stride**2, num_outputs)
        most = max(1, _STRIP_NUMBERS // (self._side**2 * columns * len(x) * depth))
        per_strip = -(-rows // -(-rows // most))  # as few as `most` allows, and as equal as they can be
        height = self._size(x)[0]
        for first in range(0, rows, per_strip):
            last = min(height, (first + per_strip) * self.tile)
            start, stop = first * self.tile * self.stride, (last + self.taps - 1) * self.stride
            yield (x if per_strip >= rows else x[:, :, start:stop]), start

    def _tiles(self, x: Tensor) -> Tensor:
        """All tiles of `x`, transformed: (n², N·tiles, stride²·C)."""
        rows, columns = self._num_tiles(x)
        side, step = self._side * self.stride, self.tile * self.stride
        missing = [
            step * (count - 1) + side - length for count, length in zip((rows, columns), x.shape[2:], strict=True)
        ]
        whole = pad(x, (0, missing[1], 0, missing[0])) if any(missing) else x
        tiles = whole.permute(0, 2, 3, 1).unfold(1, side, step).unfold(2, side, step)  # (N, rows, columns, C, n·s, n·s)
        apart = (self._side, self.stride)
        blocks = torch.unflatten(torch.unflatten(tiles, 5, apart), 4, apart)
        positions = _scratch.copied("positions", blocks.permute(4, 6, 0, 1, 2, 5, 7, 3)).view(self._side**2, -1)
        transformed = _product("tiles", self._matrices(x).inputs, positions)
        return transformed.view(self._side**2, -1, self.stride**2 * x.shape[1])

    def _folded(self, grad: Tensor, x: Tensor) -> Tensor:
        """The adjoint of `_tiles`: tiles are added up where they overlap."""
        num, channels, height, width = x.shape
        rows, columns = self._num_tiles(x)
        n, s, more = self._side, self.stride, self.taps - 1
        apart = _product("positions", self._matrices(x).inputs.T, grad.reshape(n * n, -1))
        tiles = apart.view(n, n, num, rows, columns, s, s, channels).permute(2, 3, 0, 5, 4, 1, 6, 7)
        size = (num, rows + 1, self.tile, s, columns + 1, self.tile, s, channels)
        out = _scratch.take("pixels", size, grad.dtype).zero_()
        out[:, :-1, :, :, :-1] = tiles[:, :, : self.tile, :, :, : self.tile]
        out[:, 1:, :more, :, :-1] += tiles[:, :, self.tile :, :, :, : self.tile]
        out[:, :-1, :, :, 1:, :more] += tiles[:, :, : self.tile, :, :, self.tile :]
        out[:, 1:, :more, :, 1:, :more] += tiles[:, :, self.tile :, :, :, self.tile :]
        pixels = out.view(num, (rows + 1) * self.tile * s, (columns + 1) * self.tile * s, channels)
        return pixels[:, :height, :width].permute(0, 3, 1, 2)

    def kernels(self, weight: Tensor) -> Tensor:
        """`weight` transformed: (n², O, stride²·C)."""
        apart = (self.taps, self.stride)
        parts = torch.unflatten(torch.unflatten(weight, 3, apart), 2, apart)  # (O, C, taps, stride, taps, stride)
        each = _scratch.copied("weight", parts.permute(2, 4, 0, 3, 5, 1)).view(self.taps**2, -1)
        return _product("kernels", self._matrices(weight).kernels, each).view(self._side**2, len(weight), -1)

    def _weight(self, grad: Tensor, weight: Tensor) -> Tensor:
        """The adjoint of `kernels`."""
        num_outputs, channels = weight.shape[:2]
        apart = _product("weight", self._matrices(weight).kernels.T, grad.view(self._side**2, -1))
        parts = apart.view(self.taps, self.taps, num_outputs, self.stride, self.stride, channels)
        out = weight.new_empty(num_outputs, self.taps, self.stride, self.taps, self.stride, channels)
        by_pixel = out.copy_(parts.permute(2, 0, 3, 1, 4, 5)).view(num_outputs, *weight.shape[2:], channels)
        return by_pixel.permute(0, 3, 1, 2)  # (O, C, k, k) in channels-last order

    def _products(self, grad: Tensor, x: Tensor) -> Tensor:
        """The adjoint of what `filtered` makes of the products of all positions."""
        rows, columns = self._num_tiles(x)
        missing = rows * self.tile - grad.shape[2], columns * self.tile - grad.shape[3]
        whole = pad(grad, (0, missing[1], 0, missing[0])) if any(missing) else grad
        tiles = whole.permute(0, 2, 3, 1).reshape(len(x), rows, self.tile, columns, self.tile, -1)
        apart = _scratch.copied("pixels", tiles.permute(2, 4, 0, 1, 3, 5)).view(self.tile**2, -1)
        transformed = _product("products", self._matrices(grad).outputs.T, apart)
        return transformed.view(self._side**2, -1, grad.shape[1])


def _added_rows(total: Tensor | None, rows: Tensor, start: int, like: Tensor) -> Tensor:
    """`total`, with the shape of `like`, plus `rows` from row `start` on. Nothing yet where `total` is None."""
    if total is None:
        if rows.shape == like.shape:
            return torch.empty_like(like, memory_format=torch.channels_last).copy_(rows)
        total = torch.zeros_like(like, memory_format=torch.channels_last)
    total[:, :, start : start + rows.shape[2]] += rows
    return total


def _product(name: str, left: Tensor, right: Tensor) -> Tensor:
    """left (m, k) · right (k, n), in the scratch buffer `name`."""
    return torch.mm(left, right, out=_scratch.take(name, (len(left), right.shape[1]), left.dtype))


def _batch_product(name: str, left: Tensor, right: Tensor) -> Tensor:
    """left (p, m, k) · right (p, k, n), in the scratch buffer `name`."""
    size = (*left.shape[:2], right.shape[2])
    return batch_product(left, right, _scratch.take(name, size, left.dtype))


@dataclass(frozen=True)
class _Matrices:
    """Of two-dimensional tiles, for n = tile + taps − 1: inputs (n², n²), kernels (n², taps²), outputs (tile², n²)."""

    inputs: Tensor
    kernels: Tensor
    outputs: Tensor


@cache
def _matrices(taps: int, tile: int, dtype: torch.dtype) -> _Matrices:
    def both_sides(matrix: _Matrix) -> Tensor:
        one = torch.tensor([[float(value) for value in row] for row in matrix], dtype=torch.float64)
        return torch.kron(one, one).to(dtype)

    inputs, kernels, outputs = transforms(taps, tile, _POINTS[tile + taps - 1])
    with torch.inference_mode(False):  # they outlive the call, and may be needed for gradients later
        return _Matrices(both_sides(inputs), both_sides(kernels), both_sides(outputs))


def transforms(taps: int, num_outputs: int, points: Sequence[Fraction]) -> tuple[_Matrix, _Matrix, _Matrix]:
    """The matrices B (n, n), G (n, taps) and A (num_outputs, n) by which A[(G g) · (B d)] filters d (n) with g (taps).

    From the Toom-Cook product of polynomials, evaluated at the n − 1 finite `points` and at infinity and transposed,
    n = num_outputs + taps − 1 (Lavin & Gray, 2016, section 4).
    """
    n = num_outputs + taps - 1
    assert len(points) == n - 1
    scales = [_product_of([point - other for other in points if other != point]) for point in points]
    inputs = [_with_roots([other for other in points if other != point], n) for point in points]
    inputs.append(_with_roots(points, n))
    kernels = [[point**power / scale for power in range(taps)] for point, scale in zip(points, scales, strict=True)]
    kernels.append([Fraction(power == taps - 1) for power in range(taps)])
    outputs = [
        [*(point**power for point in points), Fraction(power == num_outputs - 1)] for power in range(num_outputs)
    ]
    return inputs, kernels, outputs


def _with_roots(roots: Sequence[Fraction], length: int) -> list[Fraction]:
    """The coefficients of the polynomial with these roots, the constant first, filled up with zeros."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [high - root * low for high, low in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return [*coefficients, *[Fraction(0)] * (length - len(coefficients))]


def _product_of(factors: Sequence[Fraction]) -> Fraction:
    product = Fraction(1)
    for factor in factors:
        product *= factor
    return product
