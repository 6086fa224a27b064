"""Spectral norm (Miyato et al., ICLR 2018) as one number a layer, so that no normalized copy of a weight is made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unpaired.layers.padding import Padding
from unpaired.layers.pending import Pending, PendingConv2d, convolved
from unpaired.layers.precision import without_autocast
from unpaired.layers.thin import ThinGradient, collected


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

    def forward(self, weight: Tensor, thin: list[ThinGradient] | None = None) -> tuple[Tensor, Tensor]:
        """`weight` for all its other uses, and its σ, a float32 scalar: the gradients of both come back as one.

        With those that uses of a 4-dimensional weight leave in `thin`.
        """
        with without_autocast(weight):
            u, v, product = self._step(weight) if self.training else self._as_it_is(weight)
            same, sigma = _WithSigma.apply(weight, u, v, product, [] if thin is None else thin)
            return same, sigma

    @torch.no_grad()
    def _step(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the power iteration: u (outputs,), v (1, inputs, …) and W v (outputs,)."""
        order = _order(weight)
        matrix = weight.permute(order).flatten(1)
        v = normalize(torch.mv(matrix.t(), self.u), dim=0, eps=self.eps)
        product = torch.mv(matrix, v)
        u = normalize(product, dim=0, eps=self.eps)
        back = [order.index(dim) for dim in range(len(order))]
        v = v.view(1, *(weight.shape[dim] for dim in order[1:])).permute(back)
        self.u.copy_(u)  # new tensors above, so that a backward pass over an earlier forward finds its own
        self.v.copy_(v.flatten())
        return u, v, product

    @torch.no_grad()
    def _as_it_is(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same without a step."""
        order = _order(weight)
        v = self.v.view(1, *weight.shape[1:])
        return self.u, v, torch.mv(weight.permute(order).flatten(1), v.permute(order).flatten())


class _WithSigma(torch.autograd.Function):
    """A weight, and σ = uᵀ W v of it for constant u and v.

    The gradient of σ, an outer product as large as the weight, is never made: it is added to the weight's own gradient,
    which belongs to nobody else.
    """

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, u: Tensor, v: Tensor, product: Tensor, thin: list[ThinGradient]
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(weight, u, v)
        ctx.thin = thin
        ctx.set_materialize_grads(False)
        return weight.view_as(weight), torch.dot(u, product)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_sigma: Tensor | None) -> tuple[Tensor | None, *tuple[None, ...]]:
        weight, u, v = ctx.saved_tensors
        nothing = None, None, None, None
        column = u * (0.0 if grad_sigma is None else grad_sigma)
        if ctx.thin:
            ctx.thin.append(ThinGradient(column[None], v.permute(0, 2, 3, 1).flatten(1)))
            return collected(weight, ctx.thin, grad), *nothing
        column = column.view(-1, *[1] * (v.dim() - 1))
        if grad is None:
            return column * v, *nothing
        if torch.is_grad_enabled():  # the gradient may be wanted for gradients of gradients
            return torch.addcmul(grad, column, v), *nothing
        return grad.addcmul_(column, v), *nothing


def _order(weight: Tensor) -> tuple[int, ...]:
    """The dimensions of `weight` in its order of memory: as a matrix it is then no copy, of up to 134 MB."""
    if weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        return (0, 2, 3, 1)
    return tuple(range(weight.dim()))


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
        layer = self.conv.conv
        thin: list[ThinGradient] = []
        weight, sigma = self.sigma(layer.weight, thin)
        raw = convolved(x, weight, None, self.conv.shape, thin=thin)
        gain = (1 / sigma).view(1, 1, 1, 1)
        bias = torch.zeros_like(gain) if layer.bias is None else layer.bias.view(1, -1, 1, 1)
        return Pending(raw, gain, bias, slope)
