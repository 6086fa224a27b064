"""Which curves stand in which chart of a run's page, with what is normal for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unpaired.models.guide import Guide, Level, TermGuide
from unpaired.training.page_state import Curves, RunState


@dataclass(frozen=True)
class Line:
    """One curve: its name in metrics.jsonl, what people call it, which colour it has."""

    name: str
    label: str
    colour: int


@dataclass(frozen=True)
class Chart:
    """Curves that belong together."""

    title: str
    normal: str
    lines: tuple[Line, ...]
    levels: tuple[Level, ...] = ()


DOMAIN_COLOURS = {"a": 0, "b": 1}
OTHER_COLOUR = 2

_TOTALS = Chart(
    "Totals",
    "The weighted sums that the two updates lower. They level off early and then say little: neither has to reach 0.",
    (Line("loss_discriminator", "discriminators", 2), Line("loss_generator", "generators", 3)),
)
_MACHINE = (
    Chart(
        "Gradient norms",
        "Noisy is normal; a climb over many thousands of steps, or single jumps to a hundred times the usual, is not.",
        (Line("grad_norm_discriminator", "discriminators", 2), Line("grad_norm_generator", "generators", 3)),
    ),
    Chart(
        "Learning rates",
        "As the config plans them.",
        (Line("lr_discriminator", "discriminators", 2), Line("lr_generator", "generators", 3)),
    ),
    Chart(
        "Pictures per second",
        "Of each domain. Level is normal; much lower than at first means that something else uses this machine.",
        (Line("pictures_per_second", "speed", OTHER_COLOUR),),
    ),
    Chart(
        "Memory, MiB",
        "The peak so far. It should be level after the first steps.",
        (Line("memory_mib", "peak", OTHER_COLOUR),),
    ),
)


def charts(curves: Curves, guide: Guide, names: tuple[str, str]) -> list[Chart]:
    """The charts for all `curves`: totals, every term by itself, then the machine. `names` are those of the domains."""
    found = [_TOTALS, *_term_charts(curves, guide, names), *_MACHINE]
    present = [
        Chart(
            chart.title, chart.normal, tuple(line for line in chart.lines if line.name in curves.values), chart.levels
        )
        for chart in found
    ]
    present = [chart for chart in present if chart.lines]
    shown = {line.name for chart in present for line in chart.lines}
    rest = [name for name in curves.values if name not in shown]
    return [*present, *(Chart(name, "", (Line(name, name, OTHER_COLOUR),)) for name in rest)]


def alarms(state: RunState, guide: Guide, names: tuple[str, str]) -> list[str]:
    """What looks wrong by the guide, one text for each term and domain."""
    found = []
    for name in state.curves.values:
        term, domain = split_domain(name)
        recent = state.curves.recent(name)
        if recent is None or term not in guide.terms:
            continue
        title = f"{guide.terms[term].title}{_in_brackets(domain, names)}"
        found += [f"{title}: {a.text}" for a in guide.terms[term].alarms if a.rings(recent, state.step)]
    return found


def split_domain(name: str) -> tuple[str, str | None]:
    """A curve's `name` without its domain, and the domain: `generator/image_a` is (`generator/image`, `a`)."""
    term, _, domain = name.rpartition("_")
    return (term, domain) if "/" in term and domain in DOMAIN_COLOURS else (name, None)


def _term_charts(curves: Curves, guide: Guide, names: tuple[str, str]) -> Iterable[Chart]:
    terms: dict[str, list[Line]] = {term: [] for term in guide.terms}
    for name in curves.values:
        if "/" in name:
            term, domain = split_domain(name)
            terms.setdefault(term, []).append(_line(name, term, domain, names))
    for term, lines in terms.items():
        about = guide.terms.get(term, TermGuide(term.replace("/", ": ").replace("_", " "), ""))
        yield Chart(about.title, about.normal, tuple(lines), about.levels)


def _line(name: str, term: str, domain: str | None, names: tuple[str, str]) -> Line:
    if domain is None:
        return Line(name, term.partition("/")[2], OTHER_COLOUR)
    colour = DOMAIN_COLOURS[domain]
    return Line(name, names[colour], colour)


def _in_brackets(domain: str | None, names: tuple[str, str]) -> str:
    return "" if domain is None else f" ({names[DOMAIN_COLOURS[domain]]})"
