"""A linear layer whose weight may be a gigabyte."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unpaired.layers.precision import compute_dtype, without_autocast


class WideLinear(nn.Linear):
    """As `nn.Linear`, for layers that run several times a step.

    torch's own hands its weight's gradient over as a transposed view, to which the next one is added in a third copy;
    this one hands over the tensor itself, and the next one is added in place. Numbers are the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_features) → (N, out_features)."""
        dtype = compute_dtype(x)
        with without_autocast(x):
            out: Tensor = _Product.apply(x.to(dtype), self.weight.to(dtype))
            return out if self.bias is None else out + self.bias.to(dtype)


class _Product(torch.autograd.Function):
    """x Wᵀ."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight.t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        for_x, for_weight = ctx.needs_input_grad
        return grad @ weight if for_x else None, grad.t() @ x if for_weight else None
