"""A linear layer whose weight may be a gigabyte, and is used several times a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unpaired.layers.precision import compute_dtype, without_autocast

Factors = list[tuple[Tensor, Tensor]]


class WideLinear(nn.Linear):
    """As `nn.Linear`, with one gradient for all uses of its weight in a step.

    Autograd makes a gradient of the weight's size for each use and adds them: two or three gigabytes at a time. Uses
    that are given the same `shared()` leave the two small factors of their gradient there instead, and these are
    multiplied once, when all are in. The sum is the same up to rounding.
    """

    def shared(self) -> SharedWeight:
        """The weight for all uses in one step."""
        return SharedWeight(self.weight.to(compute_dtype(self.weight)))

    def forward(self, x: Tensor, shared: SharedWeight | None = None) -> Tensor:
        """(N, in_features) → (N, out_features)."""
        shared = shared or self.shared()
        with without_autocast(x):
            dtype = shared.weight.dtype
            out: Tensor = _Product.apply(x.to(dtype), shared.weight, shared.factors)
            return out if self.bias is None else out + self.bias.to(dtype)


class SharedWeight:
    """A `weight` and the factors of its gradient: of each use the gradients of what came out, and what went in."""

    def __init__(self, weight: Tensor) -> None:
        self.factors: Factors = []
        self.weight: Tensor = _Collected.apply(weight, self.factors)


class _Collected(torch.autograd.Function):
    """The weight itself. Autograd comes back here once, after all its uses."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, factors: Factors) -> Tensor:
        ctx.factors = factors
        ctx.set_materialize_grads(False)
        return weight.view_as(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, direct: Tensor | None) -> tuple[Tensor | None, None]:
        assert direct is None, "a shared weight is used by WideLinear alone"
        if not ctx.factors:
            return None, None
        grads, inputs = zip(*ctx.factors, strict=True)
        ctx.factors.clear()
        return torch.cat(grads).t() @ torch.cat(inputs), None


class _Product(torch.autograd.Function):
    """x Wᵀ. Leaves the factors of the weight's gradient instead of returning it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, factors: Factors) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.factors = factors
        return x @ weight.t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, _ = ctx.needs_input_grad
        if for_weight:
            ctx.factors.append((grad, x))
        return grad @ weight if for_x else None, None, None
