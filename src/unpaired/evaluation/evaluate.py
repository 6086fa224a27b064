"""From models and a data folder to an `Evaluation`: with all problems of the call together, before anything is made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unpaired.config import DataConfig
from unpaired.data.folders import SUB_FOLDERS
from unpaired.data.images import BadPicture, read_size
from unpaired.data.listing import list_pictures
from unpaired.errors import Problem, UserError, raise_if_any
from unpaired.evaluation.candidates import (
    Candidate,
    FolderCandidate,
    ModelCandidate,
    RealPictures,
    UnchangedInputs,
)
from unpaired.evaluation.choice import choose_metrics
from unpaired.evaluation.comparison import differences
from unpaired.evaluation.data import EvaluationData, Pictures, common_labels, open_data, picture_problems
from unpaired.evaluation.grids import GridWriter
from unpaired.evaluation.naming import names_of
from unpaired.evaluation.report import CandidateResult, Evaluation
from unpaired.evaluation.scene import Scene, chosen_inputs, measuring_view
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.subjects import Direction, Subject
from unpaired.evaluation.table import METRICS
from unpaired.evaluation.tools import Tools
from unpaired.evaluation.translated_folders import open_translations
from unpaired.inference.bundle import open_model
from unpaired.inference.devices import choose_device
from unpaired.inference.translator import Translator
from unpaired.metrics.labelled_folder import open_labelled
from unpaired.metrics.measurement import Measurement
from unpaired.models.base import Domain, other

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """An evaluation that can start: nothing is known to be wrong with it."""

    scene: Scene
    candidates: tuple[Candidate, ...]


@dataclass
class _Opened:
    """What was opened of a call so far, and what is wrong with it."""

    candidates: list[ModelCandidate | FolderCandidate] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def prepare(models: Sequence[Path], data_folder: Path, settings: Settings, earlier: Sequence[Problem] = ()) -> Plan:
    """The plan for evaluating `models` on `data_folder`. Raises one error with everything wrong, `earlier` included.

    A model is a run folder, a bundle folder, a checkpoint file, or a folder of translated pictures.
    """
    problems, notes = list(earlier), list[str]()
    device = _device(settings, problems)
    data, found = open_data(data_folder, pairs=settings.pairs)
    problems += found
    opened = _open_candidates(models, data, settings, device)
    problems += opened.problems
    raise_if_any(problems)
    assert data is not None
    notes += data.notes
    view = measuring_view([c.view for c in opened.candidates if isinstance(c, ModelCandidate)], opened.sizes, settings)
    inputs = _inputs(data, settings, view, opened.candidates, notes, problems)
    problems += _unfit_pictures(data, view, opened.candidates)
    raise_if_any([*problems, *_mode_problems(settings, view)])
    tools = Tools(settings, device, face_networks_of_losses=_face_networks(models))
    metrics, problems = choose_metrics(data, settings, tools, notes)  # it looks into the pictures
    raise_if_any(problems)
    scene = Scene(data, settings, view, inputs, metrics, tools, notes)
    return Plan(scene, (*opened.candidates, *_baselines(data, settings)))


def run(plan: Plan, on_progress: Progress, *, folder: Path | None = None) -> Evaluation:
    """Measure all candidates of `plan`; their grids go into `folder` where one is given.

    `on_progress` is told what is being done, and how much of it.
    """
    start = time.monotonic()
    scene = plan.scene
    grids = GridWriter(folder) if folder is not None else None
    measured: dict[str, list[Measurement]] = {candidate.name: [] for candidate in plan.candidates}
    num_styles: dict[str, dict[str, int]] = {candidate.name: {} for candidate in plan.candidates}
    for to in scene.inputs:
        direction = scene.direction(to)
        for candidate in plan.candidates:
            if to in candidate.directions:
                subject = translate(candidate, direction, on_progress)
                measured[candidate.name] += measure(subject, scene, candidate.name, on_progress)
                num_styles[candidate.name][direction.arrow] = subject.num_styles
                if grids is not None:
                    grids.add(candidate, subject, measured[candidate.name])
        if grids is not None:
            grids.finish(direction)
    results = tuple(
        CandidateResult(
            name=candidate.name,
            kind=candidate.kind,
            facts=candidate.facts,
            num_styles=num_styles[candidate.name],
            measurements=tuple(measured[candidate.name]),
            grids=grids.of(candidate.name) if grids is not None else (),
        )
        for candidate in plan.candidates
    )
    compared = [result for result in results if result.kind != "baseline"]
    return Evaluation(
        data=scene.data.name,
        settings=scene.settings,
        size=scene.view.size,
        results=results,
        differences=differences(compared, seed=scene.settings.seed),
        notes=tuple(scene.notes),
        grids=grids.shared if grids is not None else (),
        seconds=time.monotonic() - start,
        folder=folder,
    )


def translate(candidate: Candidate, direction: Direction, on_progress: Progress) -> Subject:
    """The candidate's translations of the direction's inputs. Raises `UserError` for files that cannot be read."""
    text = f"{candidate.name} {direction.arrow}: translating"
    pictures = candidate.translations(direction, lambda done, all_: on_progress(text, done, all_))
    return Subject(direction, pictures, candidate.translator)


def measure(subject: Subject, scene: Scene, name: str, on_progress: Progress) -> list[Measurement]:
    """All metrics of the scene for one candidate, called `name`, in one direction."""
    found: list[Measurement] = []
    for index, metric in enumerate(scene.metrics):
        on_progress(f"{name} {subject.direction.arrow}: measuring {metric}", index, len(scene.metrics))
        try:
            with torch.inference_mode():
                found += METRICS[metric].of_subject(subject, scene.tools)
        except UserError as error:  # such as too few pictures: the others can be measured all the same
            scene.notes.append(f"{name} {subject.direction.arrow}: no {metric}: {' '.join(str(error).split())}")
    return found


def _device(settings: Settings, problems: list[Problem]) -> torch.device:
    try:
        return choose_device(settings.device)
    except UserError as error:
        problems += error.problems
        return torch.device("cpu")  # to find what else is wrong


def _open_candidates(
    models: Sequence[Path], data: EvaluationData | None, settings: Settings, device: torch.device
) -> _Opened:
    opened = _Opened()
    if not models:
        opened.problems.append(Problem("No model was given", "For example: unpaired evaluate runs/0001-munit-x DATA"))
    for name, path in zip(names_of(models), models, strict=True):
        if is_folder_of_pictures(path):
            _open_folder(name, path, data, settings, opened)
            continue
        try:
            translator = Translator(open_model(path, raw=settings.raw), device=str(device))
        except UserError as error:
            opened.problems += error.problems
            continue
        examples = None if data is None or not settings.by_example else data.train
        opened.candidates.append(ModelCandidate(name, path, translator, settings, examples))
    opened.problems += _example_problems(opened.candidates, data, settings)
    return opened


def _example_problems(
    candidates: Sequence[Candidate], data: EvaluationData | None, settings: Settings
) -> list[Problem]:
    """What stands in the way of styles by example, where these are wanted."""
    if not settings.by_example or data is None:
        return []
    models = [candidate.translator for candidate in candidates if candidate.translator is not None]
    if all(model.style_dim is None for model in models):
        return [Problem("--by-example: none of these models has styles", "Leave it out.")]
    missing = [SUB_FOLDERS[to] for to in settings.to if to not in data.train]
    hint = "Examples are training pictures of the domain that is translated to: see --to."
    return [Problem(f"--by-example: {data.name} has no {name}", hint) for name in missing]


def is_folder_of_pictures(path: Path) -> bool:
    """Whether `path` is a folder that holds pictures, and no model."""
    if not path.is_dir() or any((path / name).exists() for name in ("config.json", "config.yaml", "checkpoints")):
        return False
    return bool(list_pictures(path).pictures)


def _open_folder(name: str, path: Path, data: EvaluationData | None, settings: Settings, opened: _Opened) -> None:
    if data is None:
        return
    found, problems = open_translations(path, data, settings.to)
    opened.problems += problems
    if found is None:
        return
    opened.candidates.append(FolderCandidate(name, found))
    files = [file for files in found.files.values() for own in files.values() for file in own]
    bad = []
    for file in files:
        try:
            opened.sizes.add(read_size(file))
        except BadPicture as error:
            bad.append(error)
    if bad:
        hint = "Translate these inputs again, or take them out."
        opened.problems.append(Problem(f"{bad[0]} (and {len(bad) - 1:,} more)" if bad[1:] else str(bad[0]), hint))


def _inputs(
    data: EvaluationData,
    settings: Settings,
    view: DataConfig,
    candidates: Sequence[Candidate],
    notes: list[str],
    problems: list[Problem],
) -> Mapping[Domain, Pictures]:
    """The inputs of each direction that somebody translates: the same for all candidates."""
    found: dict[Domain, Pictures] = {}
    for to in settings.to:
        taking_part = [candidate for candidate in candidates if to in candidate.directions]
        if not taking_part:
            continue
        pictures = data.test[other(to)]
        folders = [c for c in taking_part if isinstance(c, FolderCandidate)]
        labels = common_labels(pictures, [folder.labels(to) for folder in folders])
        if len(labels) < len(pictures):
            names = ", ".join(folder.name for folder in folders)
            where = f"{len(labels):,} of {len(pictures):,} inputs of {other(to)}→{to}"
            notes.append(f"measured on {where}: {names} holds no translation of the others")
        if len(labels) < 2:
            problems.append(Problem(f"{pictures.folder}: fewer than two inputs have translations", "Translate more."))
            continue
        found[to] = chosen_inputs(pictures.labelled(labels), settings, view, notes, f"{other(to)}→{to}")
    return found


def _unfit_pictures(data: EvaluationData, view: DataConfig, candidates: Sequence[Candidate]) -> list[Problem]:
    """What is wrong with the files for `view`, and with the inputs for models that see them in another way."""
    problems = picture_problems([*data.test.values(), *data.train.values()], view)
    for own in dict.fromkeys(c.view for c in candidates if isinstance(c, ModelCandidate)):
        problems += picture_problems(data.test.values(), own) if own != view else []
    return list(dict.fromkeys(problems))


def _baselines(data: EvaluationData, settings: Settings) -> tuple[Candidate, ...]:
    """What gives the numbers a scale. Real pictures only where they are others than those that are compared with."""
    if not settings.baselines:
        return ()
    separate = {
        domain: pictures
        for domain, pictures in data.train.items()
        if not settings.of_training and pictures.folder != data.test[domain].folder
    }
    return (UnchangedInputs(), *([RealPictures(separate, settings)] if separate else []))


def _mode_problems(settings: Settings, view: DataConfig) -> list[Problem]:
    """What is wrong with the folder of labelled pictures."""
    if settings.modes is None:
        return []
    try:
        open_labelled(settings.modes, view)
    except UserError as error:
        return list(error.problems)
    return (
        []
        if len(settings.to) == 1
        else [Problem(f"--modes {settings.modes}: of which domain?", "Add --to a or --to b.")]
    )


def _face_networks(models: Sequence[Path]) -> tuple[str, ...]:
    """The face networks that the runs among `models` were trained with."""
    from unpaired.config import load

    found = []
    for path in models:
        run_folder = path.parent.parent if path.is_file() else path
        with contextlib.suppress(UserError):  # a bundle, or the run of another version
            face = load(run_folder / "config.yaml").losses.face
            found += [] if face is None else [face.network]
    return tuple(dict.fromkeys(found))
