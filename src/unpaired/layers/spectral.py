"""Spectral norm (Miyato et al., ICLR 2018) as one number a layer, so that no normalized copy of a weight is made."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unpaired.layers.padding import Padding
from unpaired.layers.pending import Pending, PendingConv2d
from unpaired.layers.precision import without_autocast


class SpectralNorm(nn.Module):
    """Estimates the largest singular value σ of a weight, seen as a matrix (outputs, inputs · kernel).

    Convolutions and products are linear: conv(x, W / σ) = conv(x, W) / σ, so the caller divides what comes out. Each
    training forward makes one step of the power iteration before σ is taken; evaluation changes nothing. No gradient
    reaches the singular vectors `u` (outputs,) and `v` (inputs · kernel,). σ and its gradient are those of
    torch.nn.utils.spectral_norm.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps
        rows, columns = weight.flatten(1).shape
        self.register_buffer("u", torch.empty(rows))
        self.register_buffer("v", torch.empty(columns))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both singular vectors anew: random directions."""
        for vector in (self.u, self.v):
            vector.copy_(normalize(torch.randn_like(vector), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        """σ of `weight`: a float32 scalar with a gradient to the weight."""
        with without_autocast(weight):
            order = _order(weight)
            matrix = weight.permute(order).flatten(1)
            u, v = self._step(matrix.detach(), weight.shape, order) if self.training else (self.u, self.v)
            return torch.dot(u, torch.mv(matrix, _reordered(v, weight.shape, order)))

    @torch.no_grad()
    def _step(self, matrix: Tensor, shape: torch.Size, order: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        v = normalize(torch.mv(matrix.t(), self.u), dim=0, eps=self.eps)
        u = normalize(torch.mv(matrix, v), dim=0, eps=self.eps)
        back = tuple(order.index(dim) for dim in range(len(order)))
        v = _reordered(v, torch.Size(shape[dim] for dim in order), back)
        self.u.copy_(u)  # new tensors above, so that a backward pass over an earlier forward finds its own
        self.v.copy_(v)
        return u, v


def _order(weight: Tensor) -> tuple[int, ...]:
    """The dimensions of `weight` in its order of memory: as a matrix it is then no copy, of up to 134 MB."""
    if weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        return (0, 2, 3, 1)
    return tuple(range(weight.dim()))


def _reordered(v: Tensor, shape: torch.Size, order: tuple[int, ...]) -> Tensor:
    """A vector over all dimensions of `shape` but the first, in another `order` of these."""
    return v.view(1, *shape[1:]).permute(order).flatten()


class SpectralConv2d(nn.Module):
    """A convolution with the weight W / σ, and a leaky ReLU that is left pending together with 1 / σ and the bias."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: Padding, bias: bool = True
    ) -> None:
        super().__init__()
        self.conv = PendingConv2d(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=bias)
        self.sigma = SpectralNorm(self.conv.conv.weight)

    def forward(self, x: Pending, *, slope: float = 1.0) -> Pending:
        """leaky_relu(conv(x, W / σ) + bias): (N, in_channels, H, W) → (N, out_channels, …)."""
        raw = self.conv(x, with_bias=False)
        layer = self.conv.conv
        gain = (1 / self.sigma(layer.weight)).view(1, 1, 1, 1)
        bias = torch.zeros_like(gain) if layer.bias is None else layer.bias.view(1, -1, 1, 1)
        return Pending(raw, gain, bias, slope)
