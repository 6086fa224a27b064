"""Training steps: ours from the preset's config, the reference's from the same config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.speed.comparison import REFERENCE, Comparison, ours, products
from benchmarks.speed.contest import Round
from benchmarks.speed.counts import needed_macs
from benchmarks.speed.noise import noise
from benchmarks.speed.records import Record
from benchmarks.speed.tasks import Call, OwnTask, Precision
from benchmarks.speed.worker import Contender, Unit

from benchmarks.speed import munit_reference, ugatit_reference
from unpaired.config import RunConfig
from unpaired.models.munit.config import MunitConfig
from unpaired.models.ugatit.config import UgatitConfig
from unpaired.presets import PRESETS

LARGEST_GLOBAL = {64: 6}
"""Most layers of U-GAT-IT's global discriminator by picture size: with its 7 nothing is left of 64 pixels."""


@dataclass(frozen=True, kw_only=True)
class Training(OwnTask):
    """One step of `preset` at `size` pixels, without an average of the weights: the reference codes have none.

    `reference_preset`: whose networks the reference trains, where it does not know all that `preset` asks for.
    `less_memory`: with --less-memory.
    """

    preset: str
    size: int
    batch: int = 1
    reference_preset: str | None = None
    less_memory: bool = False

    @property
    def reference(self) -> str:
        """The clone of the model's own code."""
        return PRESETS[self.preset]().model.name

    def contenders(self, call: Call) -> Mapping[str, Contender]:
        """The reference, ours in each precision, and what the machine could do in it."""
        own = {ours(precision): self.own(call, precision) for precision in call.precisions}
        return {REFERENCE: self._reference(call), **own, **products(call.precisions, call.device)}

    def own(self, call: Call, precision: Precision) -> Contender:
        """Our step."""
        return partial(training_step, replace(self._config(self.preset), device=call.device, precision=precision))

    def records(self, call: Call, rounds: Sequence[Round]) -> list[Record]:
        """One record a precision."""
        needed = needed_macs(self._config(self.preset).model, self.size, self.batch)
        comparison = Comparison(self.name, self.preset, self.size, self.batch, needed, call.device)
        return [comparison.record(precision, rounds) for precision in call.precisions]

    def _reference(self, call: Call) -> Contender:
        config = replace(self._config(self.reference_preset or self.preset), device=call.device)
        module = munit_reference if isinstance(config.model, MunitConfig) else ugatit_reference
        folder = call.munit if isinstance(config.model, MunitConfig) else call.ugatit
        assert folder is not None, "the command line asks for it"
        return partial(module.training_step, folder, config)

    def _config(self, preset: str) -> RunConfig:
        config = PRESETS[preset]()
        size = (self.size, self.size)
        model = config.model.at_size(size)
        if isinstance(model, UgatitConfig) and self.size in LARGEST_GLOBAL:
            model = replace(
                model, discriminator=replace(model.discriminator, num_layers_global=LARGEST_GLOBAL[self.size])
            )
        data = replace(config.data, size=size)
        changed = replace(config, model=model, data=data, batch_size=self.batch, ema_decay=0.0)
        return replace(changed, less_memory=self.less_memory)


def training_step(config: RunConfig) -> Unit:
    """One step as `unpaired train` makes it, on one batch of noise."""
    from unpaired.models.base import Batch
    from unpaired.training.engine import Engine
    from unpaired.training.state import TrainState
    from unpaired.training.step import train_step

    state = TrainState(config, Engine(config.device, config.precision))
    return partial(train_step, state, Batch(*noise(config)))
