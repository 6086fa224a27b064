"""Products with a weight that may be a gigabyte, and is used several times a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unpaired.layers.precision import compute_dtype, without_autocast
from unpaired.layers.thin import ThinGradient, collected


class WideLinear(nn.Linear):
    """As `nn.Linear`, with one gradient for all uses of its weight in a step that are given the same `shared()`."""

    def shared(self) -> SharedWeight:
        """The weight for all uses in one step."""
        return SharedWeight(self.weight)

    def forward(self, x: Tensor, shared: SharedWeight | None = None) -> Tensor:
        """(N, in_features) → (N, out_features)."""
        out = (shared or self.shared()).product(x)
        return out if self.bias is None else out + self.bias.to(out.dtype)


class SharedWeight:
    """A weight (outputs, inputs), or one of 1×1 kernels, with one gradient for all its products.

    Autograd makes a gradient of the weight's size for each use and adds them: two or three gigabytes at a time. Here
    each use leaves the two small factors of its gradient, and these are multiplied once, when all are in, or not at
    all: see `layers.thin`. The sum is the same up to rounding.
    """

    def __init__(self, weight: Tensor) -> None:
        self._thin: list[ThinGradient] = []
        matrix: Tensor = _Collected.apply(weight, self._thin)
        self._matrix = matrix.to(compute_dtype(weight))

    def product(self, x: Tensor) -> Tensor:
        """x Wᵀ in autocast's type: (N, inputs) → (N, outputs)."""
        with without_autocast(x):
            out: Tensor = _Product.apply(x.to(self._matrix.dtype), self._matrix, self._thin)
            return out


class _Collected(torch.autograd.Function):
    """The weight itself, as a matrix. Autograd comes back here once, after all its uses."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, thin: list[ThinGradient]) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.thin = thin
        ctx.set_materialize_grads(False)
        return weight.view(len(weight), -1)

    @staticmethod
    def backward(ctx: Any, direct: Tensor | None) -> tuple[Tensor | None, None]:
        (weight,) = ctx.saved_tensors
        return collected(weight, ctx.thin, None if direct is None else direct.view_as(weight)), None


class _Product(torch.autograd.Function):
    """x Wᵀ. Leaves a thin gradient of the weight instead of returning it, but where gradients are to have gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, thin: list[ThinGradient]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.thin = thin
        return x @ weight.t()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, _ = ctx.needs_input_grad
        of_weight = None
        if for_weight and torch.is_grad_enabled():
            of_weight = grad.t() @ x
        elif for_weight:
            ctx.thin.append(ThinGradient(grad, x))
        return grad @ weight if for_x else None, of_weight, None
