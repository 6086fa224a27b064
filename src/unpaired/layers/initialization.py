"""Initial weights by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

WeightInit = Callable[[Tensor], Tensor]


@torch.no_grad()
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
            if _is_parametrized(layer):
                _reset_singular_vectors(layer)


def _reset(layer: nn.Module) -> None:
    reset = getattr(layer, "reset_parameters", None)
    if _is_parametrized(layer):
        _reset_parametrized(layer)
    elif callable(reset):
        reset()


def _reset_parametrized(layer: nn.Module) -> None:
    """What `reset_parameters` of a convolution does, which does not reach a weight that is spectrally normalized."""
    assert isinstance(layer, nn.Conv2d)
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size)  # type: ignore[arg-type]
    layer.parametrizations.weight.original.copy_(plain.weight)  # type: ignore[union-attr, operator]
    assert layer.bias is not None
    assert plain.bias is not None
    layer.bias.copy_(plain.bias)


def _reset_singular_vectors(layer: nn.Module) -> None:
    """Random directions, brought near the singular vectors as torch does when it makes the layer."""
    for vector in layer.parametrizations.weight.buffers():  # type: ignore[union-attr]
        vector.copy_(normalize(torch.randn_like(vector), dim=0))
    for _ in range(15):
        _ = layer.weight  # each look at it makes one step of the power iteration


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
