"""Everything that changes while training, and its names in a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unpaired.config import OptimizerConfig, RunConfig
from unpaired.errors import UserError
from unpaired.layers.at_once import set_at_once
from unpaired.layers.recompute import set_recompute
from unpaired.layers.share import generator_for
from unpaired.models import MODELS
from unpaired.models.base import AnyMethod
from unpaired.tensorfile import under
from unpaired.training.adam import MOMENTS, Adam, Group
from unpaired.training.ema import Ema
from unpaired.training.engine import Engine
from unpaired.training.extra_losses import ExtraLosses
from unpaired.training.memory import use_one_heap


def rng_for(*parts: int | str) -> torch.Generator:
    """A CPU random generator that is a function of `parts`, such as (seed, "step", rank, step)."""
    return generator_for("/".join(map(str, parts)))


@dataclass(frozen=True)
class InitialWeights:
    """State dicts to start a run from, such as a bundle's. Without `discriminators` these start at random."""

    generators: Mapping[str, Tensor]
    discriminators: Mapping[str, Tensor] | None = None


class TrainState:
    """Networks, their average, optimizers and the number of updates made.

    `generators` and `discriminators` are the modules to call, wrapped for several processes when there are several.
    """

    def __init__(self, config: RunConfig, engine: Engine) -> None:
        self.config = config
        self.engine = engine
        self.method: AnyMethod = MODELS[config.model.name].load_method()(config.model)
        self.method.initialize(rng_for(config.seed, "initialize"))
        set_recompute(self.method.generators, config.recompute)
        if engine.device.type == "cpu" and engine.world_size == 1:
            use_one_heap()
            for network in self.networks.values():
                set_at_once(network, not config.saves_memory)  # at once is faster, one by one takes less memory
        self.extra_losses = ExtraLosses(config.losses, engine.device)
        self.generators = engine.wrap(self.method.generators)
        self.discriminators = engine.wrap(self.method.discriminators, in_parts=config.less_memory)
        self.ema = Ema(self.method.generators, config.ema_decay) if config.ema_decay > 0 else None
        self.optimizers = {
            "generators": _adam(self.method.generators, config.optimizer, config.optimizer.lr_generator),
            "discriminators": _adam(self.method.discriminators, config.optimizer, config.optimizer.lr_discriminator),
        }
        self.step = 0

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The unwrapped networks by their name in a checkpoint."""
        return {"generators": self.method.generators, "discriminators": self.method.discriminators}

    @property
    def sampling_generators(self) -> nn.Module:
        """The generators that sample grids show: the average where there is one."""
        return self.ema.module if self.ema is not None else self.method.generators

    def set_learning_rates(self) -> dict[str, float]:
        """Set both optimizers' learning rates for the coming update and return them by network."""
        factor = learning_rate_factor(self.config.optimizer, self.step, self.config.steps)
        rates = {
            "generators": self.config.optimizer.lr_generator * factor,
            "discriminators": self.config.optimizer.lr_discriminator * factor,
        }
        for name, rate in rates.items():
            self.optimizers[name].learning_rate = rate
        return rates

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by their name in a checkpoint. They are the live ones, not copies."""
        found: dict[str, Tensor] = {}
        for name, network in self.networks.items():
            found |= {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
            found |= _moments(self.optimizers[name], network, f"optimizer_{name}.")
        if self.ema is not None:
            found |= {f"ema.{key}": tensor for key, tensor in self.ema.module.state_dict().items()}
        return found

    def load_tensors(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Take over `tensors` as `tensors()` names them, as they were after `step` updates.

        Raises `UserError` naming the first tensors that do not fit.
        """
        self._check_fit(tensors, step)
        for name, network in self.networks.items():
            network.load_state_dict(under(tensors, f"{name}."))
            _load_moments(self.optimizers[name], network, under(tensors, f"optimizer_{name}."), step)
        if self.ema is not None:
            self.ema.module.load_state_dict(under(tensors, "ema."))
        self.step = step

    def start_from(self, weights: InitialWeights) -> None:
        """Take over the networks' `weights`; optimizers and step stay at their start."""
        self.method.generators.load_state_dict(weights.generators)
        if weights.discriminators is not None:
            self.method.discriminators.load_state_dict(weights.discriminators)
        if self.ema is not None:
            self.ema.module.load_state_dict(weights.generators)

    def receive_from_main(self) -> None:
        """Be as the state of the main process is, which alone has read a checkpoint or a bundle."""
        if self.engine.world_size == 1:
            return
        own = self.tensors()
        shapes = {name: list(tensor.shape) for name, tensor in own.items()}
        step, shapes = json.loads(self.engine.processes.from_main(lambda: json.dumps([self.step, shapes])))
        tensors = {n: own[n] if n in own else torch.empty(s, device=self.engine.device) for n, s in shapes.items()}
        for tensor in tensors.values():
            self.engine.receive_from_main(tensor)
        self.load_tensors(tensors, step)

    def _check_fit(self, tensors: Mapping[str, Tensor], step: int) -> None:
        expected = {key: tensor.shape for key, tensor in self.tensors().items() if not key.startswith("optimizer_")}
        given = {key: tensor.shape for key, tensor in tensors.items() if not key.startswith("optimizer_")}
        if self.ema is None:
            given = {key: shape for key, shape in given.items() if not key.startswith("ema.")}
        wrong = sorted(key for key in expected.keys() | given.keys() if expected.get(key) != given.get(key))
        if wrong:
            raise UserError(
                f"The checkpoint of step {step} does not fit this model: {', '.join(wrong[:3])}"
                + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
                "Resume with the settings it was trained with.",
            )


def learning_rate_factor(config: OptimizerConfig, step: int, num_steps: int) -> float:
    """What the learning rates are multiplied by in the update after `step` of `num_steps` updates.

    The factor changes on updates number step_size, 2·step_size, … counted from 1, as the reference codes do.
    linear: 1 in the first half of the run, then straight to 0 at its end (U-GAT-IT, section 4.2 and its code).
    """
    change = (step + 1) // config.step_size
    match config.schedule:
        case "constant":
            return 1.0
        case "step":
            return float(config.gamma**change)
        case "linear":
            half = max(1, num_steps // 2)
            return 1.0 - min(1.0, max(0, change * config.step_size - half) / half)


def _adam(network: nn.Module, config: OptimizerConfig, learning_rate: float) -> Adam:
    """Adam with weight decay on the weights that `config` names."""
    kernels = [parameter for parameter in network.parameters() if config.decay == "all" or parameter.dim() > 1]
    others = [parameter for parameter in network.parameters() if config.decay != "all" and parameter.dim() <= 1]
    groups = [Group(kernels, config.weight_decay), Group(others)]
    used = [group for group in groups if group.parameters]
    return Adam(used, learning_rate=learning_rate, betas=config.betas)


def _moments(optimizer: Adam, network: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {
        f"{prefix}{moment}.{name}": optimizer.state[parameter][moment]
        for name, parameter in network.named_parameters()
        for moment in MOMENTS
    }


def _load_moments(optimizer: Adam, network: nn.Module, tensors: Mapping[str, Tensor], step: int) -> None:
    """Set Adam's moments, to 0 where `tensors` has none. Its own counter is the run's step, because every update
    touches every parameter."""
    for name, parameter in network.named_parameters():
        state = optimizer.state[parameter]
        state["step"].fill_(step)
        for moment in MOMENTS:
            saved = tensors.get(f"{moment}.{name}")
            state[moment].zero_() if saved is None else state[moment].copy_(saved)
