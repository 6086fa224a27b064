"""From what was asked for to a training that can start, with all problems of the call together."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from unpaired.config import MODEL_NAME, Override, RunConfig, override, overrides_of, parse_value, to_dict
from unpaired.errors import Problem, UsageError, UserError, did_you_mean, raise_if_any
from unpaired.models import MODELS, ModelConfig
from unpaired.presets import PRESETS
from unpaired.training.processes import ALONE, Processes, sharing_problems

if TYPE_CHECKING:
    from unpaired.data.faces import Box
    from unpaired.data.folders import PictureFolders
    from unpaired.training.loop import Result
    from unpaired.training.state import InitialWeights

_FLAGS = {
    "steps": ("steps",),
    "size": ("data.size",),
    "batch": ("batch_size",),
    "device": ("device",),
    "precision": ("precision",),
    "less-memory": ("less_memory",),
    "recompute": ("recompute",),
    "seed": ("seed",),
    "skip-bad": ("data.skip_bad",),
    "eval-every": ("evaluation.every_steps",),
    "face-weight": ("losses.face.weight_ab", "losses.face.weight_ba"),
}
_MAY_CHANGE = (
    *("steps", "device", "precision", "less_memory", "recompute", "samples.every_steps"),
    *("optimizer.", "log.", "checkpoints.", "evaluation."),
)
_MAY_MOVE = ("data.a", "data.b", "data.test_a", "data.test_b", "data.workers", "data.cache_mib", "data.skip_bad")


@dataclass(frozen=True, kw_only=True)
class TrainCall:
    """What was typed, and in how many processes."""

    folders: tuple[Path, ...] = ()
    model: str | None = None
    preset: str | None = None
    config_file: Path | None = None
    sets: tuple[str, ...] = ()
    flags: tuple[Override, ...] = ()
    out: Path | None = None
    resume: Path | None = None
    init: Path | None = None
    profile: str | None = None
    dry_run: bool = False
    num_processes: int = 1

    @property
    def overriding_flags(self) -> list[Override]:
        """The flags. One that is short for several settings gives way where `--set` names one of these."""
        named = {text.partition("=")[0].strip() for text in self.sets}
        short = {f"--{name}" for name, paths in _FLAGS.items() if len(paths) > 1}
        return [flag for flag in self.flags if flag.source not in short or flag.path not in named]


@dataclass(frozen=True)
class Job:
    """A training that can start: nothing is known to be wrong with it."""

    config: RunConfig
    folders: PictureFolders
    run_folder: Path
    resume: Path | None = None
    init: InitialWeights | None = None
    num_profiled: int | None = None


def flag_overrides(flags: Mapping[str, str | None]) -> tuple[Override, ...]:
    """The flags that were given, as overrides of their settings. Their values are validated with everything else."""
    return tuple(
        Override(path, _size(text) if name == "size" else _plain(text), f"--{name}")
        for name, text in flags.items()
        if text is not None
        for path in _FLAGS[name]
    )


def prepare(call: TrainCall) -> Job:
    """The job that `call` asks for. Raises one `UsageError` with everything that is wrong."""
    return _prepare_resume(call, call.resume) if call.resume is not None else _prepare_new(call)


def start(job: Job, processes: Processes = ALONE) -> Result:
    """Make the run folder, or open it again, and train; together with the other `processes` when there are some."""
    from unpaired.training.loop import train
    from unpaired.training.runs import RunFolder, make_folder

    run = RunFolder(job.run_folder)
    if processes.is_main:
        run = make_folder(job.run_folder)
        run.write_config(job.config)
    return train(
        job.config,
        job.folders,
        run,
        resume=job.resume,
        init=job.init,
        num_profiled=job.num_profiled,
        processes=processes,
    )


def _prepare_new(call: TrainCall) -> Job:
    from unpaired.training.runs import plan_folder

    located, folder_problems = _locate(call.folders)
    overrides, found = overrides_of(file=call.config_file, sets=call.sets, flags=[*call.overriding_flags, *located])
    base, problems = _base(call, overrides)
    config, problems = override(base, overrides, [*problems, *folder_problems, *found])
    if not folder_problems:
        problems += _no_folder_problems(config)
    folders = _open(config, problems)
    problems += _missing_networks(config)
    problems += _evaluation_problems(config, folders)
    run_folder, out_problems = plan_folder(config, call.out)
    problems += out_problems or _write_problems(run_folder)
    problems += _device_problems(config)
    problems += sharing_problems(config, call.num_processes)
    init = _open_init(call.init, config, problems)
    num_profiled = _num_profiled(call, config.steps, problems)
    raise_if_any(problems)
    assert folders is not None
    return Job(config, folders, run_folder, init=init, num_profiled=num_profiled)


def _prepare_resume(call: TrainCall, resume: Path) -> Job:
    from unpaired.training.checkpoint import step_of
    from unpaired.training.loop import require_steps_left
    from unpaired.training.runs import CONFIG_FILE, RunFolder

    is_snapshot = resume.is_file() and resume.suffix == ".safetensors"
    run = RunFolder(resume.parent.parent if is_snapshot else resume)
    if not (run.path / CONFIG_FILE).is_file():
        raise UsageError(f"--resume {resume}: is not a run folder: there is no {CONFIG_FILE}", _near_runs(resume))
    checkpoint = resume if is_snapshot else run.last_checkpoint
    step = step_of(checkpoint)
    saved = run.read_config()
    located, problems = _locate(call.folders) if call.folders else ([], [])
    problems += _not_with_resume(call)
    model = [Override(MODEL_NAME, call.model, "--model")] if call.model else []
    overrides, found = overrides_of(sets=call.sets, flags=[*model, *call.overriding_flags, *located])
    config, problems = override(saved, overrides, [*problems, *found])
    problems += _forbidden_changes(saved, config, overrides)
    folders = _open(config, problems)
    problems += _missing_networks(config)
    problems += _evaluation_problems(config, folders)
    problems += _device_problems(config)
    problems += sharing_problems(config, call.num_processes)
    num_profiled = _num_profiled(call, config.steps - step, problems) if config.steps > step else None
    raise_if_any(problems)
    assert folders is not None
    require_steps_left(config, run, step)
    return Job(config, folders, run.path, resume=checkpoint, num_profiled=num_profiled)


def _base(call: TrainCall, overrides: Sequence[Override]) -> tuple[RunConfig, list[Problem]]:
    """The preset that the call names, or the own one of the model that the call or its settings name."""
    set_models = [o.value for o in overrides if o.path == MODEL_NAME and o.value in MODELS]
    model = call.model or (set_models[-1] if set_models else "munit")
    name, flag = (call.preset, "--preset") if call.preset else (model, "--model")
    problems = []
    if call.model and call.model not in MODELS:
        problems.append(Problem(f"--model {call.model}: unknown model", did_you_mean(call.model, MODELS)))
    if name not in PRESETS:
        if flag == "--preset":
            problems.append(Problem(f"--preset {name}: unknown preset", did_you_mean(name, PRESETS)))
        return RunConfig(), problems
    base = PRESETS[name]()
    if call.preset and call.model in MODELS and base.model.name != call.model:
        hint = f"Leave out --model, or choose another preset. It is a preset of {base.model.name}."
        problems.append(Problem(f"--preset {name}: does not go with --model {call.model}", hint))
    return base, problems


def _locate(paths: Sequence[Path]) -> tuple[list[Override], list[Problem]]:
    from unpaired.data.folders import locate

    if not paths:
        return [], []
    found, problems = locate(paths)
    return [Override(f"data.{domain}", path, path) for domain, path in found.items()], problems


def _no_folder_problems(config: RunConfig) -> list[Problem]:
    if config.data.a and config.data.b:
        return []
    hint = "For example: unpaired train photos/ paintings/   or: unpaired train DATA_DIR with trainA and trainB inside."
    return [Problem("No folders of pictures were given", hint)]


def _open(config: RunConfig, problems: list[Problem]) -> PictureFolders | None:
    """The pictures, all decoded once: even when other settings are wrong, so that all problems come at once."""
    from unpaired.data.folders import open_folders

    if not (config.data.a and config.data.b):
        return None
    folders, found = open_folders(config.data)
    problems += found
    return _with_faces(config, folders, problems)


def _with_faces(config: RunConfig, folders: PictureFolders, problems: list[Problem]) -> PictureFolders:
    """`folders` with the faces that the face loss needs."""
    face = config.losses.face
    if face is None:
        return folders
    faces_a = _faces("ab", config.data.a, folders.a, problems) if face.needs("a") else None
    faces_b = _faces("ba", config.data.b, folders.b, problems) if face.needs("b") else None
    return replace(folders, faces_a=faces_a, faces_b=faces_b)


def _faces(
    direction: str, folder: str | None, pictures: Sequence[Path], problems: list[Problem]
) -> Mapping[Path, Box] | None:
    """The faces in the `pictures` of `folder`, which are translated in `direction`."""
    from unpaired.data.faces import open_faces

    if folder is None or not pictures:
        return None
    faces, wrong = open_faces(folder, Path(folder), pictures)
    problems += [_face_problem(problem, direction) for problem in wrong]
    return faces


def _face_problem(problem: Problem, direction: str) -> Problem:
    """`problem` with the other way out: not to look at the faces of this domain."""
    return replace(
        problem, hint=f"{problem.hint}\n  Or leave this direction out: --set losses.face.weight_{direction}=0"
    )


def _missing_networks(config: RunConfig) -> list[Problem]:
    from unpaired.pretrained.store import require
    from unpaired.training.extra_losses import network_names

    problems: list[Problem] = []
    for name in network_names(config.losses):
        try:
            require(name)
        except UserError as error:
            problems += error.problems
    return problems


def _evaluation_problems(config: RunConfig, folders: PictureFolders | None) -> list[Problem]:
    if config.evaluation.every_steps is None or folders is None:
        return []
    from unpaired.training.evaluator import evaluation_problems

    return evaluation_problems(config, folders)


def _device_problems(config: RunConfig) -> list[Problem]:
    if config.device in ("auto", "cpu"):
        return []
    from unpaired.training.engine import device_problem

    problem = device_problem(config.device)
    return [problem] if problem else []


def _num_profiled(call: TrainCall, num_steps_left: int, problems: list[Problem]) -> int | None:
    """How many steps of `num_steps_left` the call wants profiled; None, and perhaps a problem, when none."""
    if call.profile is None:
        return None
    from unpaired.training.profiling import WARM_UP_STEPS

    flag = f"--profile {call.profile}"
    num = int(call.profile) if re.fullmatch(r"\d{1,9}", call.profile, re.ASCII) else 0
    if call.dry_run:
        problems.append(Problem(f"{flag}: does not go with --dry-run, which trains nothing", "Leave one of them out."))
    if num < 1:
        problems.append(Problem(f"{flag}: is not allowed", "It takes a number of steps, 1 or more; 5 are enough."))
    elif num + WARM_UP_STEPS > num_steps_left:
        message = f"{flag}: needs {num + WARM_UP_STEPS} steps, {WARM_UP_STEPS} of them to warm up; there are "
        problems.append(Problem(f"{message}{num_steps_left:,}", "Profile fewer, or train more: --steps."))
    return num


def _write_problems(folder: Path) -> list[Problem]:
    """Why the new `folder` could not be made, as far as permissions tell."""
    parent = folder.absolute()
    while not parent.exists():
        parent = parent.parent
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return []
    return [Problem(f"--out {folder}: cannot write in {parent}", "Choose a folder you can write to.")]


def _open_init(path: Path | None, config: RunConfig, problems: list[Problem]) -> InitialWeights | None:
    if path is None:
        return None
    from unpaired.inference.bundle import open_model
    from unpaired.training.state import InitialWeights

    try:
        bundle = open_model(path, with_discriminators=True)
    except UserError as error:
        problems += error.problems
        return None
    problems += _different_networks(path, bundle.config.model, config.model)
    return InitialWeights(bundle.weights, bundle.discriminators)


def _different_networks(path: Path, trained: ModelConfig, wanted: ModelConfig) -> list[Problem]:
    """The settings of the networks in which a bundle differs. Losses and their weights may differ."""
    if trained.name != wanted.name:
        return [Problem(f"--init {path}: is a {trained.name} model", f"To use it: --model {trained.name}")]
    ours, theirs = _network_settings(wanted), _network_settings(trained)
    different = [f"--set {path}={value}" for path, value in theirs.items() if ours[path] != value]
    if not different:
        return []
    return [Problem(f"--init {path}: was trained with other networks", f"To use it: {' '.join(different)}")]


def _network_settings(model: ModelConfig) -> dict[str, Any]:
    """The settings that decide which weights a model has, by their paths."""
    plain = to_dict(model)
    found = {f"model.{key}": plain[key] for key in ("layers", "variance") if key in plain}
    for section in ("generator", "discriminator"):
        found |= {f"model.{section}.{name}": value for name, value in plain[section].items()}
    return found


def _not_with_resume(call: TrainCall) -> list[Problem]:
    given = {"--preset": call.preset, "--config": call.config_file, "--out": call.out, "--init": call.init}
    return [
        Problem(f"{flag} {value}: does not go with --resume", "A run goes on with its own settings, in its own folder.")
        for flag, value in given.items()
        if value is not None
    ]


def _forbidden_changes(saved: RunConfig, config: RunConfig, overrides: Sequence[Override]) -> list[Problem]:
    before, after = to_dict(saved), to_dict(config)
    problems = []
    for change in overrides:
        if change.path.startswith(_MAY_CHANGE) or change.path in _MAY_MOVE:
            continue
        old, new = _get(before, change.path), _get(after, change.path)
        if old != new:
            hint = f"It was trained with {old}. Leave it out, or start a new run."
            problems.append(Problem(f"{change.source} {new}: cannot change when a run is resumed", hint))
    return problems


def _get(data: Any, path: str) -> Any:
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _near_runs(resume: Path) -> str:
    parent = resume.parent
    runs = [str(path.parent) for path in parent.glob("*/config.yaml")] if parent.is_dir() else []
    return did_you_mean(str(resume), runs) if runs else "Give the folder that `unpaired train` made, as runs/0001-…"


def _size(text: str) -> Any:
    sides = [_plain(side) for side in text.lower().replace("×", "x").split("x")]
    return sides * 2 if len(sides) == 1 else sides


def _plain(text: str) -> Any:
    try:
        return parse_value(text)
    except yaml.YAMLError:
        return text
