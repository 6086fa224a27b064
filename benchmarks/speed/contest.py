"""Contenders measured in turn, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.worker import Contender, Measured, Terms, Worker

Round = Mapping[str, Measured]
"""What each contender took in one turn, by its name."""


@dataclass(frozen=True)
class Rules:
    """How a contest is held. Unless `together`, a process lives for one measurement: all at once need more memory."""

    rounds: int
    terms: Terms
    together: bool = True


def contest(
    title: str, contenders: Mapping[str, Contender], rules: Rules, sources: Mapping[str, Path] | None = None
) -> Sequence[Round]:
    """Every round's measurements: A, B, A, B, …. Progress goes to stderr. Raises `UserError` when a side fails.

    A side that is in `sources` imports modules from there.
    """
    found_in = sources or {}
    workers = {
        name: Worker(f"{title}, {name}", side, rules.terms, found_in.get(name)) for name, side in contenders.items()
    }
    rounds = []
    with ExitStack() as stack:
        if rules.together:
            for worker in workers.values():
                stack.enter_context(worker)
        for number in range(rules.rounds):
            rounds.append({name: _measured(worker, rules) for name, worker in workers.items()})
            _tell(f"{title}, round {number + 1} of {rules.rounds}: {_seconds(rounds[-1])}")
    return rounds


def _measured(worker: Worker, rules: Rules) -> Measured:
    if rules.together:
        return worker.measure()
    with worker:
        return worker.measure()


def _seconds(found: Round) -> str:
    return ", ".join(f"{name} {measured.seconds:.4g} s" for name, measured in found.items())


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
