"""From what was typed after `unpaired evaluate` to an evaluation that can start, with all problems of the call."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unpaired.cli.numbers import whole_number
from unpaired.errors import Problem, did_you_mean

if TYPE_CHECKING:
    from unpaired.evaluation.evaluate import Plan

OUT_NAME = "evaluation"
LARGEST_SIDE = 8192


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What was typed."""

    paths: tuple[Path, ...]
    to: str | None = None
    metrics: str | None = None
    styles: str | None = None
    inputs: str | None = None
    seed: str = "0"
    size: str | None = None
    real: str = "test"
    by_example: bool = False
    features: str | None = None
    distance: str | None = None
    modes: Path | None = None
    pairs: str = "auto"
    edges: str = "auto"
    baselines: bool = True
    raw: bool = False
    batch: str | None = None
    device: str = "auto"
    out: Path | None = None


def prepared(typed: Typed) -> tuple[Plan, Path]:
    """The evaluation that was asked for, and the folder for its report. Raises one error with all that is wrong."""
    from unpaired.errors import UsageError
    from unpaired.evaluation.evaluate import prepare

    if len(typed.paths) < 2:
        missing = "No data folder was given" if typed.paths else "No model and no data folder were given"
        raise UsageError(missing, "For example: unpaired evaluate runs/0001-munit-cats2dogs cats2dogs")
    *models, data = typed.paths
    problems: list[Problem] = []
    settings = _settings(typed, problems)
    folder = typed.out or _usual_folder(models)
    problems += _out_problems(folder)
    return prepare(models, data, settings, problems), folder


def _settings(typed: Typed, problems: list[Problem]) -> Any:
    from unpaired.evaluation.settings import DEFAULT_STYLES, Settings
    from unpaired.inference.checks import MAX_SEED

    to = _one_of("--to", typed.to or "both", {"both": ("b", "a"), "a": ("a",), "b": ("b",)}, problems)
    return Settings(
        to=to,
        metrics=None if typed.metrics is None else tuple(filter(None, re.split(r"[,\s]+", typed.metrics))),
        num_styles=whole_number("--styles", typed.styles, 1, 1000, problems) or DEFAULT_STYLES,
        num_inputs=whole_number("--inputs", typed.inputs, 2, 10**9, problems),
        seed=whole_number("--seed", typed.seed, 0, MAX_SEED, problems) or 0,
        size=_size(typed.size, problems),
        features=typed.features,
        distance=typed.distance,
        modes=typed.modes,
        pairs=_one_of("--pairs", typed.pairs, {"auto": None, "yes": True, "no": False}, problems),
        edges=_one_of("--edges", typed.edges, {"auto": None, "a": "a", "b": "b", "no": "no"}, problems),
        of_training=_one_of("--real", typed.real, {"test": False, "train": True}, problems),
        by_example=typed.by_example,
        baselines=typed.baselines,
        raw=typed.raw,
        device=typed.device,
        batch_size=whole_number("--batch", typed.batch, 1, 10_000, problems),
    )


def _one_of(flag: str, text: str, values: dict[str, Any], problems: list[Problem]) -> Any:
    if text not in values:
        hint = did_you_mean(text, values)
        problems.append(Problem(f"{flag} {text}: is not allowed", hint))
    return values.get(text, next(iter(values.values())))


def _size(text: str | None, problems: list[Problem]) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", text.lower(), re.ASCII)
    sides = [int(side or match[1]) for side in match.groups()] if match else []
    if not sides or not all(1 <= side <= LARGEST_SIDE for side in sides):
        problems.append(Problem(f"--size {text}: is not allowed", "It takes pixels, as 64 or 64x96 (height x width)."))
        return None
    return sides[0], sides[1]


def _usual_folder(models: list[Path]) -> Path:
    """`evaluation` in the run folder of the only model, else in the current folder."""
    if len(models) == 1:
        (model,) = models
        run = model.parent.parent if model.is_file() and model.parent.name == "checkpoints" else model
        if (run / "config.yaml").is_file():
            return run / OUT_NAME
    return Path(OUT_NAME)


def _out_problems(folder: Path) -> list[Problem]:
    from unpaired.evaluation.report import is_report

    if folder.exists() and not folder.is_dir():
        return [Problem(f"--out {folder}: is a file", "Name a folder.")]
    if folder.is_dir() and any(folder.iterdir()) and not is_report(folder):
        hint = "Name another folder: only one that holds an evaluation is written over."
        return [Problem(f"--out {folder}: exists and holds something else", hint)]
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return [Problem(f"--out {folder}: cannot write in {place}", "Choose a folder you can write to.")]
    return []
