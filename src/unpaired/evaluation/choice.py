"""Which metrics are measured: those that were asked for, or all that apply and whose networks are here."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.errors import Problem, UserError, did_you_mean
from unpaired.evaluation.data import EvaluationData
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.table import METRICS
from unpaired.evaluation.tools import Tools

ALL = "all"
QUALITY = "kid"
NEED_QUALITY_BESIDE = ("diversity", "diversity_all_pairs")


def choose_metrics(
    data: EvaluationData, settings: Settings, tools: Tools, notes: list[str], *, source: str = "--metrics"
) -> tuple[tuple[str, ...], list[Problem]]:
    """The metrics to measure, and what is wrong with those asked for: unknown, not for this data, without a network.

    What was not asked for and cannot be measured is left out; `notes` then say which networks are missing. Messages
    call the list of metrics `source`.
    """
    if settings.metrics is None or settings.metrics == (ALL,):
        everything = settings.metrics is not None
        applying = [
            name
            for name, metric in METRICS.items()
            if (everything or metric.by_default) and metric.why_not(data, settings) is None
        ]
        return _with_networks(applying, settings, tools, notes)
    return _asked_for(settings.metrics, data, settings, tools, source)


def _asked_for(
    names: Sequence[str], data: EvaluationData, settings: Settings, tools: Tools, source: str
) -> tuple[tuple[str, ...], list[Problem]]:
    problems = []
    known = [name for name in dict.fromkeys(names) if name in METRICS]
    for name in dict.fromkeys(names):
        if name not in METRICS:
            problems.append(Problem(f"{source} {name}: there is no such metric", did_you_mean(name, METRICS)))
        elif reason := METRICS[name].why_not(data, settings):
            problems.append(Problem(f"{source} {name}: does not apply: {reason}", "Leave it out."))
    beside = QUALITY not in known and any(name in NEED_QUALITY_BESIDE for name in known)
    chosen = (*([QUALITY] if beside else []), *known)
    needs = dict.fromkeys(need for name in chosen for need in METRICS[name].needs)
    errors = [error for need in needs if (error := tools.missing(need))]
    problems += [problem for error in errors for problem in error.problems]
    if not chosen and not problems:
        problems.append(Problem(f"{source}: names no metric", f"Known are {', '.join(METRICS)}."))
    return chosen, problems


def _with_networks(
    names: Sequence[str], settings: Settings, tools: Tools, notes: list[str]
) -> tuple[tuple[str, ...], list[Problem]]:
    """Those of `names` whose networks are here. One that was named by the user has to be here."""
    named = {"features": settings.features, "distance": settings.distance}
    problems: list[Problem] = []
    missing = {}
    for need in dict.fromkeys(need for name in names for need in METRICS[name].needs):
        error = tools.missing(need)
        if error is not None:
            missing[need] = error
            problems += error.problems if named.get(need) else []
    for need, error in missing.items():
        left_out = [name for name in names if need in METRICS[name].needs]
        notes.append(f"left out: {', '.join(left_out)}. {_in_one_line(error)}")
    kept = [name for name in names if not any(need in missing for need in METRICS[name].needs)]
    return tuple(kept), problems


def _in_one_line(error: UserError) -> str:
    return " ".join(str(error).split())
