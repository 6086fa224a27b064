"""Peak memory and time of one U-GAT-IT training step: the PyTorch reference's networks and losses, and ours, in turn.

python benchmarks/ugatit_step/run.py --reference UGATIT-pytorch [--size 256] [--rounds 2] [--precision fp32]

Every measurement has a process of its own. The sides alternate: reference, ours, reference, ours, for each model.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

NUM_STEPS = 2  # the first makes Adam's moments; the second is timed
MODELS = ("light", "full")
SIDES = ("reference", "ours")


@dataclass(frozen=True)
class Need:
    """Peak memory of the process in MiB, and the seconds of its last step."""

    mib: float
    seconds: float


def ours(model: str, size: int, precision: str) -> Need:
    """What our step takes."""
    from unpaired.models.base import Batch
    from unpaired.models.ugatit.config import GeneratorConfig, UgatitConfig
    from unpaired.presets import PRESETS
    from unpaired.training.engine import Engine
    from unpaired.training.state import TrainState
    from unpaired.training.step import train_step

    config = replaced(
        PRESETS["ugatit"](),
        model=UgatitConfig(generator=GeneratorConfig(light=model == "light")).at_size((size, size)),
        ema_decay=0.0,  # the reference has none
        device="cpu",
        precision=precision,
    )
    state = TrainState(config, Engine("cpu", precision))
    batch = Batch(*pictures(size))
    return measured(lambda: train_step(state, batch))


def reference(folder: Path, model: str, size: int) -> Need:
    """What a step of the reference's networks takes, with its losses and its order of work."""
    import torch

    sys.path.insert(0, str(folder))
    networks = __import__("networks")
    generators = [networks.ResnetGenerator(3, 3, 64, 4, img_size=size, light=model == "light") for _ in "ab"]
    discriminators = [[networks.Discriminator(3, 64, layers) for layers in (7, 5)] for _ in "ab"]
    clip = networks.RhoClipper(0, 1)
    optimizers = [adam(generators), adam(chain(*discriminators))]
    x = pictures(size)
    square, distance, entropy = torch.nn.MSELoss(), torch.nn.L1Loss(), torch.nn.BCEWithLogitsLoss()

    def towards(target: float, loss: Any, scores: Iterable[Any]) -> Any:
        return sum(loss(score, torch.full_like(score, target)) for score in scores)

    def scores_of(domain: int, picture: Any) -> list[Any]:
        return [score for network in discriminators[domain] for score in network(picture)[:2]]

    def step() -> None:
        optimizers[1].zero_grad()
        fakes = [generators[d](x[1 - d])[0] for d in (0, 1)]  # not detached, as in the reference
        loss = sum(
            towards(1.0, square, scores_of(d, x[d])) + towards(0.0, square, scores_of(d, fakes[d])) for d in (0, 1)
        )
        loss.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        translated = [generators[d](x[1 - d]) for d in (0, 1)]
        cycled = [generators[d](translated[1 - d][0])[0] for d in (0, 1)]
        same = [generators[d](x[d]) for d in (0, 1)]
        loss = 0.0
        for d in (0, 1):
            loss += towards(1.0, square, scores_of(d, translated[d][0]))
            loss += 10 * distance(cycled[d], x[d]) + 10 * distance(same[d][0], x[d])
            loss += 1000 * (towards(1.0, entropy, [translated[d][1]]) + towards(0.0, entropy, [same[d][1]]))
        loss.backward()
        optimizers[0].step()
        for generator in generators:
            generator.apply(clip)

    return measured(step)


def adam(networks: Iterable[Any]) -> Any:
    """The reference's optimizer of `networks`."""
    import torch

    parameters = chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(parameters, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4)


def pictures(size: int) -> list[Any]:
    """One picture of each domain."""
    import torch

    torch.manual_seed(0)
    return [torch.rand(1, 3, size, size) * 2 - 1 for _ in "ab"]


def measured(step: Callable[[], object]) -> Need:
    """The need of this process after some steps."""
    import torch

    from unpaired.training.memory import memory_mib

    for _ in range(NUM_STEPS):
        start = time.perf_counter()
        step()
    return Need(memory_mib(torch.device("cpu")), time.perf_counter() - start)


def replaced(config: Any, **changes: Any) -> Any:
    """`config` with `changes`."""
    from dataclasses import replace

    return replace(config, **changes)


def in_own_process(side: str, model: str, options: argparse.Namespace) -> Need:
    """What a step of `side` takes, in a new process: a peak can only grow."""
    call = [sys.executable, "-W", "ignore", __file__, "--reference", str(options.reference), "--size",
            str(options.size), "--precision", options.precision, "--only", side, model]  # fmt: skip
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    return Need(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print one row a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True, help="folder of the PyTorch reference code")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", default="fp32", help="of our side; the reference is always fp32")
    parser.add_argument("--only", nargs=2, metavar=("SIDE", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        side, model = options.only
        need = (
            ours(model, options.size, options.precision)
            if side == "ours"
            else reference(options.reference, model, options.size)
        )
        print(json.dumps(asdict(need)))
        return
    print(
        "| model | reference MiB | ours MiB | share | reference s a step | ours s a step | times faster, each round |"
    )
    print("|---|---|---|---|---|---|---|")
    for model in MODELS:
        rounds = [{side: in_own_process(side, model, options) for side in SIDES} for _ in range(options.rounds)]
        print(row(model, rounds))


def row(model: str, rounds: list[dict[str, Need]]) -> str:
    """One line of the table: medians, and the ratio of each round."""
    mib = {side: statistics.median(r[side].mib for r in rounds) for side in SIDES}
    seconds = {side: statistics.median(r[side].seconds for r in rounds) for side in SIDES}
    ratios = ", ".join(f"{r['reference'].seconds / r['ours'].seconds:.2f}" for r in rounds)
    return (
        f"| {model} | {mib['reference']:,.0f} | {mib['ours']:,.0f} | {mib['ours'] / mib['reference']:.0%} "
        f"| {seconds['reference']:.1f} | {seconds['ours']:.1f} | {ratios} |"
    )


if __name__ == "__main__":
    main()
