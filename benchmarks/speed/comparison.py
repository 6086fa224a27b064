"""From rounds to a record: ours beside the reference and beside the machine's own limit."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.speed.contest import Round
from benchmarks.speed.matrix_product import macs, matrix_product
from benchmarks.speed.records import Record, Spread
from benchmarks.speed.worker import Contender

REFERENCE = "reference"


def ours(precision: str) -> str:
    """The name of our side."""
    return f"ours {precision}"


def product(precision: str) -> str:
    """The name of the matrix product, measured between the sides."""
    return f"product {precision}"


def products(precisions: Sequence[str], device: str) -> dict[str, Contender]:
    """The matrix products to measure beside our sides."""
    return {product(p): partial(matrix_product, precision=p, device=device) for p in precisions}


@dataclass(frozen=True)
class Comparison:
    """What is compared; `needed` are the MAC of a unit of work."""

    task: str
    model: str
    size: int
    batch: int
    needed: float
    device: str

    def record(self, precision: str, rounds: Sequence[Round]) -> Record:
        """Ours in `precision` beside the reference."""
        own, its = ours(precision), REFERENCE
        return Record(
            task=self.task,
            model=self.model,
            size=self.size,
            batch=self.batch,
            precision=precision,
            ours_s=median_seconds(rounds, own),
            reference_s=median_seconds(rounds, its),
            ratio=Spread.of(one[its].seconds / one[own].seconds for one in rounds),
            ours_peak_mib=peak_mib(rounds, own),
            reference_peak_mib=peak_mib(rounds, its),
            needed_gmac=self.needed / 1e9,
            share_of_peak=statistics.median(self._share(one, precision) for one in rounds),
        )

    def _share(self, one: Round, precision: str) -> float:
        """The MAC a second that ours makes over those that a product of matrices makes."""
        possible = macs(self.device) / one[product(precision)].seconds
        return self.needed / one[ours(precision)].seconds / possible


def median_seconds(rounds: Sequence[Round], side: str) -> float:
    """What a unit of `side` takes."""
    return statistics.median(one[side].seconds for one in rounds)


def peak_mib(rounds: Sequence[Round], side: str) -> float:
    """The most memory that a process of `side` has had."""
    return max(one[side].mib for one in rounds)


def giga_flops(rounds: Sequence[Round], device: str) -> Mapping[str, float]:
    """The speed of the matrix product by precision, as far as it was measured: 10⁹ operations a second, 2 a MAC."""
    names = [name for name in (rounds[0] if rounds else ()) if name.startswith(product(""))]
    return {name.removeprefix(product("")): 2e-9 * macs(device) / median_seconds(rounds, name) for name in names}
