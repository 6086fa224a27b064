"""The training loop, read from top to bottom."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unpaired.config import RunConfig
from unpaired.data.folders import PictureFolders
from unpaired.data.loader import fixed_pictures, training_batches
from unpaired.errors import UserError
from unpaired.models.base import DOMAINS, Batch
from unpaired.training import checkpoint
from unpaired.training.engine import Engine
from unpaired.training.evaluator import Evaluator, evaluation_is_due
from unpaired.training.face_loss import Faces
from unpaired.training.failures import explained
from unpaired.training.interrupts import Interrupts
from unpaired.training.logs import MetricsLog, RunLog
from unpaired.training.memory import memory_mib
from unpaired.training.page import write_page
from unpaired.training.processes import ALONE, Processes
from unpaired.training.profiling import next_visibly, profiled
from unpaired.training.progress import Progress, duration
from unpaired.training.runs import RunFolder
from unpaired.training.samples import write_grids
from unpaired.training.selfcheck import MIN_STEPS, self_check
from unpaired.training.speeds import slower_than_needed
from unpaired.training.state import InitialWeights, TrainState, rng_for
from unpaired.training.step import train_step

SECONDS_BETWEEN_PAGES = 20.0
SECONDS_OF_ONE_INTERRUPT = 10.0  # that several processes get from the system and again from their launcher
CENTERING_BATCHES = 64  # enough for a mean; the same ones in every run with the seed

LoadedStep = tuple[Batch, Faces]


@dataclass(frozen=True)
class Result:
    """How a run ended: after `step` updates in `folder`, with the exit code 0, 130 (Ctrl-C) or 143 (SIGTERM)."""

    folder: Path
    step: int
    exit_code: int


def train(
    config: RunConfig,
    folders: PictureFolders,
    run: RunFolder,
    *,
    resume: Path | None = None,
    init: InitialWeights | None = None,
    num_profiled: int | None = None,
    processes: Processes = ALONE,
) -> Result:
    """Train until `config.steps` updates are made, or an interrupt, and return how it ended.

    It goes on from the checkpoint `resume` where one is given; a new run can start from the weights `init`.
    `num_profiled` of its steps are profiled. Of several `processes` the main one alone touches the run folder.
    Raises `UserError` when it cannot go on; what was saved stays.
    """
    with explained(config, run.path), RunLog(run.path if processes.is_main else None) as log:
        for bad in folders.skipped:
            log.warning(f"Left out: {bad}")
        engine = Engine(config.device, config.precision, processes)
        if engine.is_main and (warning := slower_than_needed(engine.device, config.precision)):
            log.warning(warning)
        state = TrainState(config, engine)
        if resume is not None and engine.is_main:
            checkpoint.load(state, resume)
            log.info(f"Resumed {run.path} after step {state.step:,}.")
        elif init is not None:
            state.start_from(init)
            log.info("Started from the given weights.")
        state.receive_from_main()
        _center_faces(state, folders)
        fixed = _fixed_batch(config, folders).to(engine.device)
        batches = _batches(state, folders)
        try:
            if config.self_check and resume is None and config.steps >= MIN_STEPS:
                seconds = self_check(state, batches, fixed, run)
                log.info(f"Self-check passed. A step takes {seconds:.2f} s: about {duration(seconds * config.steps)}.")
                batches.close()
                batches = _batches(state, folders)
            evaluator = Evaluator(state, folders, run, log) if _evaluates(state) else None
            engine.wait_for_main()
            num = num_profiled if engine.is_main else None
            profiling = profiled(num, state.networks.values(), run.path, engine.device, log.info)
            with _metrics_log(state, run) as metrics, profiling as step_is_done:
                exit_code = _run(state, batches, fixed, run, metrics, evaluator, step_is_done)
        finally:
            batches.close()
        _say_how_it_ended(log, run, state, exit_code)
        return Result(run.path, state.step, exit_code)


def _run(
    state: TrainState,
    batches: Iterator[LoadedStep],
    fixed: Batch,
    run: RunFolder,
    metrics: MetricsLog | None,
    evaluator: Evaluator | None,
    step_is_done: Callable[[], None],
) -> int:
    """The loop itself. Returns the exit code."""
    config, engine = state.config, state.engine
    meter = _Meter(config.batch_size)
    if state.step == 0:
        _save(state, run)
        _sample(state, fixed, run)
    page_due, exit_code = 0.0, 0
    patience = 0.0 if engine.world_size == 1 else SECONDS_OF_ONE_INTERRUPT
    with Interrupts(patience) as interrupts, Progress(config.steps, state.step) as progress:
        while exit_code == 0 and state.step < config.steps:
            batch, faces = next_visibly(batches)
            values = train_step(state, batch.to(engine.device), faces.to(engine.device))
            meter.add(values)
            step_is_done()
            exit_code = engine.max(interrupts.exit_code)
            done = exit_code > 0 or state.step == config.steps
            if state.step % config.log.every_steps == 0 or done:
                numbers = meter.take() | {"memory_mib": memory_mib(engine.device)}
                if metrics is not None:
                    metrics.write(state.step, numbers)
                    progress.update(state.step, **_shown(numbers))
            if state.step % config.samples.every_steps == 0 or state.step == config.steps:
                _sample(state, fixed, run)
            if evaluation_is_due(config, state.step):
                if evaluator is not None and metrics is not None:
                    evaluator.evaluate(state, metrics)
                engine.wait_for_main()
            if state.step % config.checkpoints.every_steps == 0 or done:
                _save(state, run)
            if _is_snapshot(config, state.step):
                _save_snapshot(state, run)
            if engine.is_main and (done or time.monotonic() >= page_due):
                write_page(run.path)
                page_due = time.monotonic() + SECONDS_BETWEEN_PAGES
    return exit_code


@dataclass
class _Meter:
    """Means of a step's numbers since the last `take`."""

    pictures_per_step: int
    _sums: dict[str, float] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _num_steps: int = 0
    _start: float = field(default_factory=time.perf_counter)
    _since: float = field(default_factory=time.perf_counter)

    def add(self, values: Mapping[str, float]) -> None:
        """Take in one step's numbers."""
        for name, value in values.items():  # some are not there in every step
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._num_steps += 1

    def take(self) -> dict[str, float]:
        """The means, the speed in pictures of each domain per second, and the seconds since the start; starts anew."""
        now = time.perf_counter()
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        speed = self._num_steps * self.pictures_per_step / max(now - self._since, 1e-9)
        self._sums, self._counts, self._num_steps, self._since = {}, {}, 0, now
        return {"seconds": now - self._start, "pictures_per_second": speed, **means}


def _batches(state: TrainState, folders: PictureFolders) -> Generator[LoadedStep]:
    """Batches with their faces, from the state's step on. Closing it ends the loading processes."""
    config, engine = state.config, state.engine
    pairs = training_batches(
        folders,
        config.data,
        batch_size=config.batch_size // engine.world_size,
        seed=config.seed,
        start_step=state.step,
        rank=engine.rank,
        world_size=engine.world_size,
        pin_memory=engine.device.type == "cuda",
    )
    try:
        for loaded in pairs:
            yield Batch(loaded.x_a, loaded.x_b), Faces(loaded.faces_a, loaded.faces_b)
    finally:
        pairs.close()


def _center_faces(state: TrainState, folders: PictureFolders) -> None:
    """Give centered embeddings their origins, the same after a resume: they follow from the pictures and the seed."""
    face = state.extra_losses.face
    if face is None or not face.config.centered:
        return
    config, device = state.config, state.engine.device
    pairs = training_batches(folders, config.data, batch_size=config.batch_size, seed=config.seed)
    with contextlib.closing(pairs):
        chosen = itertools.islice(pairs, CENTERING_BATCHES)
        face.center_on(
            (Batch(pair.x_a, pair.x_b).to(device), Faces(pair.faces_a, pair.faces_b).to(device)) for pair in chosen
        )


def _metrics_log(state: TrainState, run: RunFolder) -> AbstractContextManager[MetricsLog | None]:
    """Where the numbers of the run go; nowhere in processes beside the main one."""
    if not state.engine.is_main:
        return contextlib.nullcontext()
    return MetricsLog(run.path, start_step=state.step, tensorboard=state.config.log.tensorboard)


def _evaluates(state: TrainState) -> bool:
    """Whether this process measures the run now and then."""
    return state.config.evaluation.every_steps is not None and state.engine.is_main


def _fixed_batch(config: RunConfig, folders: PictureFolders) -> Batch:
    """The pictures of all sample grids: held-out ones if there are any; as many of both domains."""
    pictures = {
        d: fixed_pictures(getattr(folders, f"test_{d}") or getattr(folders, d), config.data, config.samples.num_inputs)
        for d in DOMAINS
    }
    count = min(len(x) for x in pictures.values())
    return Batch(pictures["a"][:count], pictures["b"][:count])


@torch.no_grad()
def _sample(state: TrainState, fixed: Batch, run: RunFolder) -> None:
    """Write the sample grids of this step. The same pictures and styles every time, also after a resume."""
    if state.engine.is_main:
        rng = rng_for(state.config.seed, "samples")
        with state.engine.autocast():
            grids = state.method.sample_grids(state.sampling_generators, fixed, rng, state.config.samples.num_styles)
        write_grids(grids, run.samples, state.step)


def _save(state: TrainState, run: RunFolder) -> None:
    if state.engine.is_main:
        checkpoint.save(state, run.checkpoints)
    state.engine.wait_for_main()


def _save_snapshot(state: TrainState, run: RunFolder) -> None:
    _save(state, run)
    if state.engine.is_main:
        checkpoint.keep_snapshot(run.checkpoints, state.step, state.config.checkpoints)


def _is_snapshot(config: RunConfig, step: int) -> bool:
    every = config.checkpoints.snapshot_every_steps
    return every is not None and step % every == 0


def _shown(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers of the progress line."""
    names = ("pictures_per_second", "loss_discriminator", "loss_generator", "memory_mib")
    return {name: numbers[name] for name in names}


def _say_how_it_ended(log: RunLog, run: RunFolder, state: TrainState, exit_code: int) -> None:
    if exit_code:
        log.info(f"Stopped and saved after step {state.step:,}. To go on: {run.resume_command}")
    else:
        log.info(f"Done: {state.step:,} steps. Look at {(run.path / 'index.html').resolve().as_uri()}")


def require_steps_left(config: RunConfig, run: RunFolder, step: int) -> None:
    """Raise `UserError` when a run that resumes after `step` updates has nothing left to do."""
    if step >= config.steps:
        raise UserError(
            f"{run.path}: is already trained for {step:,} of {config.steps:,} steps",
            "To train on, give a larger --steps.",
        )
