"""Initial weights by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

WeightInit = Callable[[Tensor], Tensor]


def initialize(module: nn.Module, name: str, *, seed: int, gain: float = 2**0.5) -> None:
    """Draw all weights of `module` anew: convolutions and linear layers by the initialization called `name`.

    kaiming: normal, fan in; gaussian: N(0, 0.02); xavier: normal with `gain`; orthogonal with `gain`; biases 0.
    default: torch's own. Other layers (norms) get their own initial values. The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in module.modules():
            _reset(layer)
            if name != "default" and isinstance(layer, nn.Conv2d | nn.Linear):
                _draw(layer, _weight_init(name, gain))


def _reset(layer: nn.Module) -> None:
    reset = getattr(layer, "reset_parameters", None)
    if callable(reset) and not _is_parametrized(layer):
        reset()


def _is_parametrized(layer: nn.Module) -> bool:
    return torch.nn.utils.parametrize.is_parametrized(layer, "weight")


def _draw(layer: nn.Conv2d | nn.Linear, weight_init: WeightInit) -> None:
    weight = layer.parametrizations.weight.original if _is_parametrized(layer) else layer.weight  # type: ignore[union-attr]
    weight_init(weight)  # type: ignore[arg-type]
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _weight_init(name: str, gain: float) -> WeightInit:
    match name:
        case "kaiming":
            return partial(nn.init.kaiming_normal_, a=0, mode="fan_in")
        case "gaussian":
            return partial(nn.init.normal_, mean=0.0, std=0.02)
        case "xavier":
            return partial(nn.init.xavier_normal_, gain=gain)
        case "orthogonal":
            return partial(nn.init.orthogonal_, gain=gain)
    raise AssertionError(f"unknown initialization {name}")
