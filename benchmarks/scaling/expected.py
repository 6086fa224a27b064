"""How throughput should grow with more GPUs, computed and not measured: the table of docs/scaling.md.

    python -m benchmarks.scaling.expected

A step of a process computes for FLOP / (share · peak) seconds and exchanges 2 (n − 1) / n · bytes over its link. What
is exchanged while the backward pass still computes costs no time: all of it at best, nothing at worst.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.speed.counts import needed_macs

from unpaired.presets import PRESETS
from unpaired.training.footprint import method_without_content
from unpaired.training.plan import count_parameters

SHARE_OF_PEAK = 0.3
BACKWARD_SHARE = 0.6  # of a step's time, during which gradients can be exchanged
PICTURES = (1, 4)  # of each domain, for each GPU
SIZE_PX = 256


@dataclass(frozen=True)
class Model:
    """`megabytes` of float32 gradients of both updates; `tflop` that a step on one picture of each domain needs."""

    name: str
    megabytes: float
    tflop: float


@dataclass(frozen=True)
class Machines:
    """`num` GPUs with a dense bfloat16 `peak` in TFLOP/s, and what an all-reduce gets of the slowest `link` in GB/s."""

    name: str
    num: int
    peak: float
    link: float


MODELS = {"MUNIT": "munit", "U-GAT-IT light": "ugatit-light"}
MACHINES = (
    Machines("8 × H100, NVLink", 8, 989, 350),
    Machines("8 × A100, NVLink", 8, 312, 200),
    Machines("4 × RTX 4090, PCIe 4", 4, 165, 10),
    Machines("2 × 8 × A100, 100 Gbit/s", 16, 312, 11),
    Machines("2 × 8 × A100, 10 Gbit/s", 16, 312, 1.1),
)


@dataclass(frozen=True)
class Step:
    """Seconds of a step that are computed and that are exchanged."""

    computed: float
    exchanged: float

    @property
    def worst(self) -> float:
        """The share of n times the throughput of one GPU when nothing is hidden."""
        return self.computed / (self.computed + self.exchanged)

    @property
    def best(self) -> float:
        """The same when all that fits is hidden behind the backward pass."""
        return self.computed / (self.computed + max(0.0, self.exchanged - BACKWARD_SHARE * self.computed))


def model_of(name: str) -> Model:
    """One of `MODELS` at 256 px, its arithmetic counted by `benchmarks.speed.counts`."""
    config = PRESETS[MODELS[name]]().model
    num_parameters = sum(count_parameters(method_without_content(config)).values())
    return Model(name, 4 * num_parameters / 1e6, 2 * needed_macs(config, SIZE_PX, 1) / 1e12)


def step_of(model: Model, machines: Machines, pictures: int) -> Step:
    """A step of `model` on `pictures` of each domain for each of the `machines`."""
    computed = pictures * model.tflop / (SHARE_OF_PEAK * machines.peak)
    exchanged = 2 * (machines.num - 1) / machines.num * model.megabytes / 1000 / machines.link
    return Step(computed, exchanged)


def table() -> str:
    """The table in Markdown."""
    lines = [
        "| model | machines | pictures for each GPU | computing | exchanging | of n times one GPU |",
        "|---|---|---|---|---|---|",
    ]
    for model in map(model_of, MODELS):
        for machines in MACHINES:
            for pictures in PICTURES:
                step = step_of(model, machines, pictures)
                cells = (
                    model.name,
                    machines.name,
                    str(pictures),
                    f"{1000 * step.computed:.0f} ms",
                    f"{1000 * step.exchanged:.1f} ms",
                    f"{step.worst:.0%} to {step.best:.0%}",
                )
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
