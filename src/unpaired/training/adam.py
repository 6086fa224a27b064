"""Adam, fused, in one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from unpaired.layers.scratch import Scratch
from unpaired.layers.thin import ThinGradient

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Their names in torch's state of a parameter."""

EPSILON = 1e-8
_BLOCK_NUMBERS = 2**18  # of a gradient that is multiplied out: they stay in a core's cache until they are used
_scratch = Scratch()


@dataclass(frozen=True)
class Group:
    """Parameters with the same L2 penalty."""

    parameters: Sequence[nn.Parameter]
    weight_decay: float = 0.0


class Adam:
    """torch's fused Adam (Kingma & Ba, ICLR 2015), which on a CPU also takes gradients that are left `thin`.

    On a CPU, torch copies gradients in channels-last order and then does not use the copy. Here the fused update sees
    everything as it lies in memory, and thin gradients a few rows at a time. The moments are there before the first
    update: between the maps of a step they would leave holes in the heap for good.

    It is no `torch.optim.Optimizer`: to make one imports torch's compiler, which nobody here needs, 150 MiB and 1.3 s.
    """

    def __init__(self, groups: Sequence[Group], *, learning_rate: float, betas: tuple[float, float]) -> None:
        self.groups = tuple(groups)
        self.learning_rate = learning_rate
        self.betas = betas
        self.state = {parameter: _first_state(parameter) for group in groups for parameter in group.parameters}
        self.thin: dict[Tensor, ThinGradient] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.state:
            parameter.grad = None
        self.thin = {}

    @torch.no_grad()
    def step(self) -> None:
        """One update of all parameters that have a gradient."""
        for group in self.groups:
            if group.parameters[0].device.type != "cpu":
                self._update_together(group)
                continue
            for parameter in group.parameters:
                if parameter in self.thin:
                    self._update_by_rows(parameter, self.thin[parameter], group)
                elif parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update_together(self, group: Group) -> None:
        moved = {p: p.grad for p in group.parameters if p.grad is not None}
        states = [self.state[parameter] for parameter in moved]
        adam(
            list(moved),
            list(moved.values()),
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            **self._terms(group),
        )

    def _update(self, parameter: nn.Parameter, grad: Tensor, group: Group) -> None:
        state = self._counted(parameter)
        tensors = (parameter, grad, state["exp_avg"], state["exp_avg_sq"])
        weight, grad, *moments = (_as_in_memory(tensor, parameter) for tensor in tensors)
        self._fused([weight, grad.contiguous(), *moments], state["step"], group)

    def _update_by_rows(self, parameter: nn.Parameter, thin: ThinGradient, group: Group) -> None:
        state = self._counted(parameter)
        tensors = (parameter, state["exp_avg"], state["exp_avg_sq"])
        matrices = [_as_in_memory(tensor, parameter).flatten(1) for tensor in tensors]
        num_rows, width = matrices[0].shape
        step = max(1, _BLOCK_NUMBERS // width)
        for start in range(0, num_rows, step):
            weight, *moments = (matrix[start : start + step] for matrix in matrices)
            self._fused([weight, _rows(thin, start, weight), *moments], state["step"], group)

    def _counted(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """The state of `parameter`, with this update counted."""
        state = self.state[parameter]
        state["step"] += 1
        return state

    def _fused(self, tensors: list[Tensor], step: Tensor, group: Group) -> None:
        """Update a weight by its gradient and moments, which are `tensors`, contiguous and in this order."""
        assert all(tensor.is_contiguous() for tensor in tensors)
        weight, grad, mean, square = ([tensor] for tensor in tensors)
        torch._fused_adam_(weight, grad, mean, square, [], [step], **self._terms(group))

    def _terms(self, group: Group) -> dict[str, Any]:
        """What both of torch's functions are told of an update."""
        return {
            "lr": self.learning_rate,
            "beta1": self.betas[0],
            "beta2": self.betas[1],
            "weight_decay": group.weight_decay,
            "eps": EPSILON,
            "amsgrad": False,
            "maximize": False,
        }


def _rows(thin: ThinGradient, start: int, like: Tensor) -> Tensor:
    """As many rows of the gradient from `start` on as `like` has, in its type and in scratch memory."""
    size = (len(like), like.shape[1])
    product = _scratch.take("product", size, thin.rows.dtype)
    torch.mm(thin.rows[:, start : start + len(like)].t(), thin.patches, out=product)
    return product if product.dtype == like.dtype else _scratch.take("gradient", size, like.dtype).copy_(product)


def _first_state(parameter: Tensor) -> dict[str, Tensor]:
    """The state of a `parameter` without updates, as torch names it."""
    moments = {name: torch.zeros_like(parameter, requires_grad=False) for name in MOMENTS}
    return {"step": torch.zeros((), device=parameter.device), **moments}


def _as_in_memory(tensor: Tensor, parameter: Tensor) -> Tensor:
    """`tensor` with its dimensions in the order in which `parameter` lies in memory: a view."""
    in_channels_last = parameter.dim() == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    return tensor.permute(0, 2, 3, 1) if in_channels_last else tensor
