"""The metrics by name: what each measures, which networks it needs, where it applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from unpaired.errors import Problem, UserError, did_you_mean
from unpaired.evaluation import measures_of_faces, measures_of_pictures, measures_of_sets
from unpaired.evaluation.data import EvaluationData
from unpaired.evaluation.scene import faces_of_data, has_edges
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.subjects import Subject
from unpaired.evaluation.tools import Tools
from unpaired.metrics.measurement import Measurement
from unpaired.models.base import other

Need = Literal["features", "distance", "faces", "modes"]
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One entry of `--metrics`. It can give several measurements.

    `why_not` says why it does not apply to the data of a call; None when it does. `by_default`: whether it is measured
    without being asked for.
    """

    about: str
    of_subject: Callable[[Subject, Tools], list[Measurement]]
    needs: tuple[Need, ...] = ()
    why_not: Callable[[EvaluationData, Settings], str | None] = lambda _data, _settings: None
    by_default: bool = True


def _without_pairs(data: EvaluationData, _settings: Settings) -> str | None:
    return None if data.paired else "testA and testB do not have the same names"


def _without_edges(data: EvaluationData, settings: Settings) -> str | None:
    sources = [other(d) for d in settings.to]
    return None if any(has_edges(data, d, settings) for d in sources) else "the inputs are not black edges on white"


def _without_faces(data: EvaluationData, settings: Settings) -> str | None:
    sources = [other(d) for d in settings.to]
    found = any(faces_of_data(data, d) for d in sources)
    return None if found else "no faces.json lies beside the inputs: unpaired data faces"


def _without_modes(_data: EvaluationData, settings: Settings) -> str | None:
    return None if settings.modes is not None else "it needs a folder of labelled pictures: --modes"


METRICS: Mapping[str, Metric] = {
    "kid": Metric(
        about="kernel distance to real pictures: are the translations like them, as a set?",
        of_subject=measures_of_sets.kid,
        needs=("features",),
    ),
    "fid": Metric(
        about="Fréchet distance to real pictures; needs thousands of them",
        of_subject=measures_of_sets.fid,
        needs=("features",),
        by_default=False,
    ),
    "precision_recall": Metric(
        about="share of translations like real pictures; share of real pictures like translations",
        of_subject=measures_of_sets.precision_and_recall,
        needs=("features",),
        by_default=False,
    ),
    "kid_subsets": Metric(
        about="KID as torch-fidelity reports it: mean and deviation of random subsets",
        of_subject=measures_of_sets.kid_subsets,
        needs=("features",),
        by_default=False,
    ),
    "kid_ugatit": Metric(
        about="KID by blocks, and the means with the source set that U-GAT-IT's tables may be",
        of_subject=measures_of_sets.kid_of_ugatit,
        needs=("features",),
        by_default=False,
    ),
    "diversity": Metric(
        about="how different the translations of one input are (always with kid)",
        of_subject=measures_of_pictures.diversity,
        needs=("distance", "features"),
    ),
    "diversity_all_pairs": Metric(
        about="the same over all pairs, as StarGAN v2 measures (always with kid)",
        of_subject=measures_of_pictures.diversity_of_all_pairs,
        needs=("distance", "features"),
        by_default=False,
    ),
    "pairs": Metric(
        about="distance to what the input should become, where testA and testB are pairs",
        of_subject=measures_of_pictures.distance_to_truth,
        needs=("distance",),
        why_not=_without_pairs,
    ),
    "edges": Metric(
        about="agreement with the input's edges, where the inputs are edges",
        of_subject=measures_of_pictures.agreement_of_edges,
        why_not=_without_edges,
    ),
    "identity": Metric(
        about="is the person still there, for a face network that the training did not use",
        of_subject=measures_of_faces.identity,
        needs=("faces",),
        why_not=_without_faces,
    ),
}
NEED_QUALITY_BESIDE = ("diversity", "diversity_all_pairs")
QUALITY = "kid"


def choose_metrics(
    data: EvaluationData, settings: Settings, tools: Tools, notes: list[str]
) -> tuple[tuple[str, ...], list[Problem]]:
    """The metrics to measure, and what is wrong with those asked for: unknown, not for this data, without a network.

    What was not asked for and cannot be measured is left out; missing networks are noted.
    """
    asked = settings.metrics
    names = tuple(METRICS) if asked == (ALL,) else asked
    if names is None or asked == (ALL,):
        applying = [n for n, m in METRICS.items() if m.by_default or names is not None]
        applying = [n for n in applying if METRICS[n].why_not(data, settings) is None]
        return _with_networks(applying, tools, notes), []
    problems = [
        Problem(f"--metrics {n}: there is no such metric", did_you_mean(n, METRICS)) for n in names if n not in METRICS
    ]
    known = [name for name in dict.fromkeys(names) if name in METRICS]
    for name in known:
        if reason := METRICS[name].why_not(data, settings):
            problems.append(Problem(f"--metrics {name}: does not apply: {reason}", "Leave it out."))
    problems += _missing_networks(known, tools)
    beside = QUALITY not in known and any(name in NEED_QUALITY_BESIDE for name in known)
    return (*([QUALITY] if beside else []), *known), problems


def _with_networks(names: Sequence[str], tools: Tools, notes: list[str]) -> tuple[str, ...]:
    """Those of `names` whose networks are here; a note for each kind of network that is missing."""
    missing = {need: problem for need in ("features", "distance", "faces") if (problem := tools.missing(need))}
    kept = [name for name in names if not any(need in missing for need in METRICS[name].needs)]
    for need, error in missing.items():
        left_out = [name for name in names if need in METRICS[name].needs]
        if left_out:
            notes.append(f"left out: {', '.join(left_out)}. {_in_one_line(error)}")
    return tuple(kept)


def _missing_networks(names: Sequence[str], tools: Tools) -> list[Problem]:
    needs = dict.fromkeys(need for name in names for need in METRICS[name].needs)
    errors = [error for need in needs if (error := tools.missing(need))]
    return [problem for error in errors for problem in error.problems]


def _in_one_line(error: UserError) -> str:
    return " ".join(str(error).split())
