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
from itertools import product

import torch
from torch import Tensor

from unpaired.layers.products import batch_product
from unpaired.layers.scratch import Scratch

_POINTS = {  # by the positions along one side: chosen by measured rounding, all exact in binary
    4: tuple(Fraction(p) for p in ("0", "1", "-1")),
    5: tuple(Fraction(p) for p in ("1/2", "-1/2", "5/4", "-5/4")),
    6: tuple(Fraction(p) for p in ("0", "5/8", "-5/8", "3/2", "-3/2")),
}
_STRIP_NUMBERS = 2**21  # in a transformed map: larger ones are made in strips, which is faster (caches) and smaller
_KERNEL_BYTES = 10 * 2**20  # of transformed kernels: larger ones are made, and used, in parts

_Matrix = list[list[Fraction]]
_scratch = Scratch()


@dataclass(frozen=True)
class Winograd:
    """A convolution without padding whose kernel has `taps`·`stride` pixels a side, for `tile`² outputs at a time."""

    taps: int
    stride: int
    tile: int

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """x (N, C, H, W), weight (O, C, taps·stride, taps·stride), bias (O,) → (N, O, h, w), in channels-last order."""
        out = _channels_last(x, (len(x), len(weight), *self._size(x)))
        for part in self._parts(weight, 0):
            self._filter(x, self.kernels(weight[part]), out[:, part], None if bias is None else bias[part])
        return out

    def filtered(self, x: Tensor, kernels: Tensor, bias: Tensor | None = None, *, spread: int = 1) -> Tensor:
        """`convolve` with the `kernels` (n², O, stride²·C) that `kernels` made of a weight, plus `bias`.

        With a `spread` of 2, each output is one of the 2×2 pixels of a result twice as large: O is (2, 2, outputs).
        """
        height, width = self._size(x)
        out = _channels_last(x, (len(x), len(kernels[0]) // spread**2, height * spread, width * spread))
        self._filter(x, kernels, out, bias, spread=spread)
        return out

    def _filter(self, x: Tensor, kernels: Tensor, out: Tensor, bias: Tensor | None = None, *, spread: int = 1) -> None:
        """Write to `out` what `filtered` gives."""
        for strip, start in self._strips(x, len(kernels[0])):
            rows, columns = self._num_tiles(strip)
            products = _batch_product("products", self._tiles(strip), kernels.mT)
            apart = _product("pixels", self._matrices(x).outputs, products.view(self._side**2, -1))
            tiles = apart.view(self.tile, self.tile, len(x), rows, columns, spread, spread, out.shape[1])
            first = start // self.stride * spread
            lines = out[:, :, first : first + self._size(strip)[0] * spread]
            self._put_together(lines, tiles.permute(2, 3, 0, 5, 4, 1, 6, 7), bias)

    def _put_together(self, out: Tensor, tiles: Tensor, bias: Tensor | None) -> None:
        """Write to `out` (N, O, h, w) the outputs in `tiles` (N, rows, tile, spread, columns, tile, spread, O)."""
        spread, whole = tiles.shape[3], out.permute(0, 2, 3, 1)
        for down, across in self._pieces(whole.shape[1] // spread, whole.shape[2] // spread):
            part = whole[:, down.pixels(spread), across.pixels(spread)]
            part = torch.unflatten(part, 2, (-1, across.size, spread))
            target = torch.unflatten(part, 1, (-1, down.size, spread))
            source = tiles[:, down.tiles, : down.size, :, across.tiles, : across.size]
            target.copy_(source) if bias is None else torch.add(source, bias, out=target)

    def _pieces(self, height: int, width: int) -> Iterator[tuple[_Piece, _Piece]]:
        """All tiles that cover `height` by `width` outputs: whole ones, and those that the map's end cuts off."""
        down, across = (_along(length, self.tile) for length in (height, width))
        return product(down, across)

    def gradients(
        self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gradients of `x` and of `weight`, those that are `wanted`, by that of the result."""
        for_x, for_weight = wanted
        grad_x = torch.empty_like(x, memory_format=torch.channels_last) if for_x else None
        grad_weight = torch.empty_like(weight, memory_format=torch.channels_last) if for_weight else None
        for part in self._parts(weight, 1):
            kernels = self.kernels(weight[:, part]) if for_x else None
            size = (self._side**2, len(weight), self.stride**2 * (part.stop - part.start))
            grad_kernels = _scratch.take("grad_kernels", size, x.dtype) if for_weight else None
            self._part_gradients(grad, x[:, part], kernels, None if grad_x is None else grad_x[:, part], grad_kernels)
            if grad_weight is not None and grad_kernels is not None:
                self._weight_into(grad_weight[:, part], grad_kernels)
        return grad_x, grad_weight

    def _part_gradients(
        self, grad: Tensor, x: Tensor, kernels: Tensor | None, grad_x: Tensor | None, grad_kernels: Tensor | None
    ) -> None:
        """Write the gradients of `x` and `kernels`, where they are wanted, to `grad_x` and `grad_kernels`."""
        num_rows = 0
        for strip, start in self._strips(x, grad.shape[1]):
            first = start // self.stride
            products = self._products(grad[:, :, first : first + self._size(strip)[0]], strip)  # (n², T, O)
            if grad_kernels is not None:
                batch_product(products.mT, self._tiles(strip), grad_kernels, add=start > 0)
            if grad_x is not None and kernels is not None:
                folded = self._folded(_batch_product("tiles", products, kernels), strip)
                grad_x[:, :, start:num_rows] += folded[:, :, : num_rows - start]
                grad_x[:, :, num_rows : start + strip.shape[2]] = folded[:, :, num_rows - start :]
                num_rows = start + strip.shape[2]
        if grad_x is not None:
            grad_x[:, :, num_rows:] = 0

    def _parts(self, weight: Tensor, dim: int) -> list[slice]:
        """The outputs (`dim` 0) or inputs (1) of `weight` in parts whose transformed kernels there is room for."""
        num = weight.shape[dim]
        num_bytes = self._side**2 * self.stride**2 * weight.shape[:2].numel() * weight.element_size()
        size = -(-num // min(num, -(-num_bytes // _KERNEL_BYTES)))
        return [slice(first, min(first + size, num)) for first in range(0, num, size)]

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
        more, grid = self.taps - 1, (len(x), *self._num_tiles(x))
        size = (self._side, self._side, *grid, self.stride, self.stride, x.shape[1])
        positions = _scratch.take("positions", size, x.dtype)
        for down, across in self._pieces(*self._size(x)):
            windows = x.permute(0, 2, 3, 1)
            for dim, piece in ((1, down), (2, across)):
                span = piece.pixels(self.stride)
                windows = windows.narrow(dim, span.start, span.stop - span.start + more * self.stride)
                windows = windows.unfold(dim, (piece.size + more) * self.stride, piece.size * self.stride)
            apart = torch.unflatten(torch.unflatten(windows, 5, (-1, self.stride)), 4, (-1, self.stride))
            _fill(positions, apart.permute(4, 6, 0, 1, 2, 5, 7, 3), down, across)
        transformed = _product("tiles", self._matrices(x).inputs, positions.view(self._side**2, -1))
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

    def _weight_into(self, out: Tensor, grad: Tensor) -> None:
        """Write the adjoint of `kernels` to `out` (O, C, k, k)."""
        apart = _product("weight", self._matrices(out).kernels.T, grad.view(self._side**2, -1))
        parts = apart.view(self.taps, self.taps, len(out), self.stride, self.stride, out.shape[1])
        sides = (self.taps, self.stride)
        torch.unflatten(torch.unflatten(out, 3, sides), 2, sides).copy_(parts.permute(2, 5, 0, 3, 1, 4))

    def _products(self, grad: Tensor, x: Tensor) -> Tensor:
        """The adjoint of what `filtered` makes of the products of all positions."""
        size = (self.tile, self.tile, len(x), *self._num_tiles(x), grad.shape[1])
        outputs = _scratch.take("pixels", size, grad.dtype)
        for down, across in self._pieces(*grad.shape[2:]):
            part = grad.permute(0, 2, 3, 1)[:, down.pixels(), across.pixels()]
            apart = torch.unflatten(torch.unflatten(part, 2, (-1, across.size)), 1, (-1, down.size))
            _fill(outputs, apart.permute(2, 4, 0, 1, 3, 5), down, across)
        transformed = _product("products", self._matrices(grad).outputs.T, outputs.view(self.tile**2, -1))
        return transformed.view(self._side**2, -1, grad.shape[1])


@dataclass(frozen=True)
class _Piece:
    """Consecutive tiles along one side of a map: `tiles` by their number, with `size` outputs each from `start` on."""

    tiles: slice
    size: int
    start: int

    def pixels(self, scale: int = 1) -> slice:
        """Where their outputs lie in a map `scale` times as large."""
        stop = self.start + (self.tiles.stop - self.tiles.start) * self.size
        return slice(scale * self.start, scale * stop)


def _along(length: int, tile: int) -> list[_Piece]:
    """The tiles that cover `length` outputs: the whole ones, and the one that is cut off."""
    num, rest = divmod(length, tile)
    whole = [_Piece(slice(0, num), tile, 0)] if num else []
    return [*whole, _Piece(slice(num, num + 1), rest, num * tile)] if rest else whole


def _fill(positions: Tensor, part: Tensor, down: _Piece, across: _Piece) -> None:
    """Write `part` (h, w, N, rows, columns, …) to its tiles in `positions` (y, x, N, rows, columns, …), 0 beyond it."""
    height, width = part.shape[:2]
    tiles = positions[:, :, :, down.tiles, across.tiles]
    tiles[:height, :width] = part
    tiles[height:] = 0
    tiles[:height, width:] = 0


def _channels_last(like: Tensor, size: tuple[int, ...]) -> Tensor:
    return torch.empty(size, dtype=like.dtype, memory_format=torch.channels_last)


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
