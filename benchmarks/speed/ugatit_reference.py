"""znxlwm/UGATIT-pytorch: the networks of a clone, with the losses and the order of work of its trainer.

Its trainer is one long method that reads files; the step here is written anew, from what it computes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.speed.noise import noise
from benchmarks.speed.worker import Unit

from unpaired.config import RunConfig
from unpaired.models.ugatit.config import UgatitConfig

CYCLE, IDENTITY, CAM = 10, 10, 1000  # weights of the losses
Loss = Callable[[Any, Any], Any]


def training_step(folder: Path, config: RunConfig) -> Unit:
    """One update of the discriminators and one of the generators."""
    sys.path.insert(0, str(folder))
    return Trainer(import_module("networks"), config).step


class Trainer:
    """Both generators and all discriminators (a domain has several) with their optimizers. Index 0 is domain a."""

    def __init__(self, networks: Any, config: RunConfig) -> None:
        import torch

        model = config.model
        assert isinstance(model, UgatitConfig)
        size, width, blocks = config.data.size[0], model.generator.dim, model.generator.num_res_blocks
        depths = (model.discriminator.num_layers_global, model.discriminator.num_layers_local)
        self.generators = [
            networks.ResnetGenerator(3, 3, width, blocks, img_size=size, light=model.generator.light).to(config.device)
            for _ in "ab"
        ]
        self.discriminators = [
            [networks.Discriminator(3, model.discriminator.dim, depth).to(config.device) for depth in depths]
            for _ in "ab"
        ]
        self.clip = networks.RhoClipper(0, 1)
        self.optimizers = [_adam(self.generators), _adam(chain(*self.discriminators))]
        self.pictures = noise(config)
        self.square, self.distance = torch.nn.MSELoss(), torch.nn.L1Loss()
        self.entropy = torch.nn.BCEWithLogitsLoss()

    def step(self) -> None:
        """Update all discriminators, then both generators."""
        self._update_discriminators()
        self._update_generators()
        for generator in self.generators:
            generator.apply(self.clip)

    def _update_discriminators(self) -> None:
        self.optimizers[1].zero_grad()
        fakes = [self.generators[d](self.pictures[1 - d])[0] for d in (0, 1)]  # not detached, as in the reference
        loss = sum(
            _towards(1.0, self.square, self._scores(d, self.pictures[d]))
            + _towards(0.0, self.square, self._scores(d, fakes[d]))
            for d in (0, 1)
        )
        loss.backward()
        self.optimizers[1].step()

    def _update_generators(self) -> None:
        self.optimizers[0].zero_grad()
        translated = [self.generators[d](self.pictures[1 - d]) for d in (0, 1)]
        cycled = [self.generators[d](translated[1 - d][0])[0] for d in (0, 1)]
        same = [self.generators[d](self.pictures[d]) for d in (0, 1)]
        loss: Any = 0.0
        for d in (0, 1):
            loss += _towards(1.0, self.square, self._scores(d, translated[d][0]))
            loss += CYCLE * self.distance(cycled[d], self.pictures[d])
            loss += IDENTITY * self.distance(same[d][0], self.pictures[d])
            loss += CAM * _towards(1.0, self.entropy, [translated[d][1]])
            loss += CAM * _towards(0.0, self.entropy, [same[d][1]])
        loss.backward()
        self.optimizers[0].step()

    def _scores(self, domain: int, picture: Any) -> list[Any]:
        """The maps and the logits of all discriminators of `domain`."""
        return [score for network in self.discriminators[domain] for score in network(picture)[:2]]


def _towards(target: float, loss: Loss, scores: Iterable[Any]) -> Any:
    import torch

    return sum(loss(score, torch.full_like(score, target)) for score in scores)


def _adam(networks: Iterable[Any]) -> Any:
    import torch

    parameters = chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(parameters, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4)
