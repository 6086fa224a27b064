"""Measurements during training: the same pictures and styles every time, and the best weights so far.

They draw from generators of their own and work on copies of the networks: a run with them equals one without, bit for
bit. What was measured goes to `evaluations.jsonl`, one line for each time.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import fmean
from typing import Any

import torch

from unpaired.config import RunConfig
from unpaired.data.folders import PictureFolders
from unpaired.domain_names import domain_names
from unpaired.errors import Problem, did_you_mean, raise_if_any
from unpaired.evaluation.candidates import ModelCandidate
from unpaired.evaluation.choice import choose_metrics
from unpaired.evaluation.data import data_of_run, view_of
from unpaired.evaluation.evaluate import measure, translate
from unpaired.evaluation.scene import Scene, chosen_inputs
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.table import METRICS
from unpaired.evaluation.tools import Tools
from unpaired.evaluation.wording import interval, shown
from unpaired.inference.bundle import Bundle
from unpaired.inference.facts import FORMAT, BundleConfig, DomainNames, PicturesConfig
from unpaired.inference.translator import Translator
from unpaired.metrics.measurement import Measurement
from unpaired.models.base import Domain, other
from unpaired.training import checkpoint
from unpaired.training.logs import EVALUATIONS_FILE, LineFile, MetricsLog, RunLog, forget_after
from unpaired.training.runs import RunFolder
from unpaired.training.state import TrainState

DIRECTIONS: Mapping[str, tuple[Domain, ...]] = {"both": ("b", "a"), "a": ("a",), "b": ("b",)}
_MEASURED = ("name", "label", "direction", "value", "low", "high", "better", "recipe")


def evaluation_problems(config: RunConfig, folders: PictureFolders) -> list[Problem]:
    """Why the measurements that `config` asks for cannot be made on the pictures in `folders`. Loads their networks."""
    if config.evaluation.every_steps is None or not (folders.a and folders.b):
        return []
    scene, problems = _scene(config, folders, torch.device("cpu"))
    return [*problems, *_best_problems(config, scene)]


def evaluation_is_due(config: RunConfig, step: int) -> bool:
    """Whether a run with `config` is measured after `step` updates."""
    every = config.evaluation.every_steps
    return every is not None and (step % every == 0 or step == config.steps)


class Evaluator:
    """Measures a run regularly. What can fail is tried when it is made: pictures are read, networks loaded."""

    def __init__(self, state: TrainState, folders: PictureFolders, run: RunFolder, log: RunLog) -> None:
        config, device = state.config, state.engine.device
        self._config, self._run, self._log = config, run, log
        self._scene, problems = _scene(config, folders, device)
        raise_if_any(problems)
        for to in self._scene.inputs:
            self._scene.direction(to)
        for note in self._scene.notes:
            log.info(f"Measurements: {note}.")
        self._num_notes = len(self._scene.notes)
        forget_after(run.path / EVALUATIONS_FILE, state.step)

    def evaluate(self, state: TrainState, metrics: MetricsLog) -> None:
        """Measure the run as it is now, write the numbers down and keep the weights if they are the best so far.

        Raises `UserError` when something cannot be written.
        """
        start = time.monotonic()
        cuda = [state.engine.device] if state.engine.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):  # nothing here draws from the global generators; make it certain
            measured = self._measure(state)
        seconds = time.monotonic() - start
        numbers = numbers_of(measured)
        self._write(state.step, seconds, measured)
        metrics.write_scalars(state.step, {f"evaluation/{name}": value for name, value in numbers.items()})
        self._log.info(f"Step {state.step:,}: {_in_words(measured)} ({seconds:.0f} s)")
        self._keep_if_best(state, numbers, measured)

    def _measure(self, state: TrainState) -> list[Measurement]:
        translator = Translator(_bundle(state), device=state.engine.device.type)
        candidate = ModelCandidate(self._run.path.name, None, translator, self._scene.settings)
        found: list[Measurement] = []
        for to in self._scene.inputs:
            subject = translate(candidate, self._scene.direction(to), _nothing)
            found += measure(subject, self._scene, candidate.name, _nothing)
        for note in self._scene.notes[self._num_notes :]:
            self._log.warning(note)
        del self._scene.notes[self._num_notes :]
        return found

    def _write(self, step: int, seconds: float, measured: Sequence[Measurement]) -> None:
        plain = [{key: _plain(getattr(m, key)) for key in _MEASURED} for m in measured]
        line = {"step": step, "seconds": round(seconds, 2), "measurements": plain}
        file = LineFile(self._run.path / EVALUATIONS_FILE)
        file.write(json.dumps(line, ensure_ascii=False, allow_nan=False))
        file.close()

    def _keep_if_best(self, state: TrainState, numbers: Mapping[str, float], measured: Sequence[Measurement]) -> None:
        name = self._config.evaluation.best
        value = numbers.get(name, math.nan)
        base = base_name(name)
        recipes = [dict(m.recipe) for m in measured if m.name == base]
        before = checkpoint.read_best(self._run.checkpoints)
        if before is not None and (before.name, list(before.recipes)) != (name, recipes):
            self._log.info(f"The best so far was measured differently ({before.name}): it starts anew.")
            before = None
        sign = 1 if _better(base) == "lower" else -1
        if not math.isfinite(value) or (before is not None and sign * value >= sign * before.value):
            return
        best = checkpoint.Best(name=name, value=value, step=state.step, recipes=tuple(recipes))
        checkpoint.save_best(state, self._run.checkpoints, best)
        self._log.info(f"The best {name} so far: kept as {self._run.checkpoints / checkpoint.BEST}")


def numbers_of(measured: Sequence[Measurement]) -> dict[str, float]:
    """One number a name: `kid_b` of translations to b, `kid_a` to a, and `kid`, the mean of both."""
    found = {f"{m.name}_{m.direction[-1]}": m.value for m in measured}
    for name in dict.fromkeys(m.name for m in measured):
        found[name] = fmean(m.value for m in measured if m.name == name)
    return found


def base_name(name: str) -> str:
    """The measurement that a number of `numbers_of` is of: `kid` for kid, kid_a and kid_b."""
    return name if name in _all_better() else name.removesuffix("_a").removesuffix("_b")


def _all_better() -> dict[str, str]:
    return {name: better for metric in METRICS.values() for name, better in metric.gives.items()}


def _better(base: str) -> str:
    return _all_better()[base]


def _scene(config: RunConfig, folders: PictureFolders, device: torch.device) -> tuple[Scene, list[Problem]]:
    """What is measured on, and what is wrong with what is to be measured."""
    wanted = config.evaluation
    settings = Settings(
        to=DIRECTIONS[wanted.to],
        metrics=wanted.metrics,
        num_styles=wanted.num_styles,
        num_inputs=wanted.num_inputs,
        seed=config.seed,
        device=device.type,
    )
    data = data_of_run(folders, config.data)
    view = view_of(_pictures(config))
    face = config.losses.face
    tools = Tools(settings, device, face_networks_of_losses=() if face is None else (face.network,))
    notes = list(data.notes)
    metrics, problems = choose_metrics(data, settings, tools, notes, source="evaluation.metrics")
    inputs = {to: chosen_inputs(data.test[other(to)], settings, view, notes, f"{other(to)}→{to}") for to in settings.to}
    return Scene(data, settings, view, inputs, metrics, tools, notes), problems


def _best_problems(config: RunConfig, scene: Scene) -> list[Problem]:
    """Why the number that decides about the best checkpoint is none that is measured and has a better side."""
    name = config.evaluation.best
    decisive = {
        measured: ("", *(f"_{to}" for to in scene.settings.to))
        for metric in scene.metrics
        for measured, better in METRICS[metric].gives.items()
        if better != "neither"
    }
    known = [f"{measured}{suffix}" for measured, suffixes in decisive.items() for suffix in suffixes]
    if name in known:
        return []
    if not known:
        hint = "Measure something that has a better and a worse: --set evaluation.metrics=[kid]"
    else:
        hint = did_you_mean(name, known)
    return [Problem(f"evaluation.best {name}: is not measured, or has no better side", hint)]


def _bundle(state: TrainState) -> Bundle:
    """The networks as they are now: their average where there is one. `build_networks` copies them."""
    config = state.config
    name_a, name_b = domain_names(config.data)
    facts = BundleConfig(
        format=FORMAT,
        model=config.model,
        data=_pictures(config),
        weights="raw" if state.ema is None else "ema",
        step=state.step,
        domains=DomainNames(a=name_a, b=name_b),
        source="a run",
        versions={"unpaired": version("unpaired"), "torch": torch.__version__},
    )
    weights = {name: tensor.detach().cpu() for name, tensor in state.sampling_generators.state_dict().items()}
    return Bundle(facts, weights)


def _pictures(config: RunConfig) -> PicturesConfig:
    return PicturesConfig(size=config.data.size, resize=config.data.resize, background=config.data.background)


def _in_words(measured: Sequence[Measurement]) -> str:
    return ", ".join(f"{m.name} {m.direction} {shown(m.value)} {interval(m)}".strip() for m in measured)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return dict(value) if isinstance(value, Mapping) else value


def _nothing(_text: str, _done: int, _all: int) -> None:
    """Measurements during training show no progress of their own."""
