"""Training steps on fixed pictures, for one process or for two that share them: see test_distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tiny_networks import MUNIT
from tiny_networks import UGATIT as UGATIT_LIGHT
from torch import Tensor, nn

from unpaired.config import DataConfig, RunConfig
from unpaired.data.faces import FaceBoxes
from unpaired.faces import embedder
from unpaired.faces.embedder import FACE_NETWORKS, FaceEmbedder
from unpaired.losses.config import FaceConfig, LossesConfig
from unpaired.models import ModelConfig
from unpaired.models.base import Batch
from unpaired.models.munit import config as munit
from unpaired.training import checkpoint
from unpaired.training.engine import Engine
from unpaired.training.face_loss import Faces
from unpaired.training.processes import together
from unpaired.training.state import TrainState, rng_for
from unpaired.training.step import train_step

SIZE = 32
BATCH = 4
STEPS = 3

EVERY_TERM = replace(  # R1 in every second step, what is reckoned over a batch, everything that draws
    MUNIT,
    weights=munit.WeightsConfig(cycle=5.0, r1=1.0, style_prior=0.1, mode_seeking=0.1, contrast=1.0),
    augment=("color", "translation", "cutout"),
    r1_every_steps=2,
    discriminator=replace(MUNIT.discriminator, norm="spectral"),
)
OTHER_NORMS = replace(
    EVERY_TERM, generator=replace(MUNIT.generator, dim=8, content_norm="spectral", style_norm="group")
)
UGATIT_FULL = replace(UGATIT_LIGHT, generator=replace(UGATIT_LIGHT.generator, light=False, size=(SIZE, SIZE)))
NO_LOSSES = LossesConfig()
FACE = LossesConfig(face=FaceConfig(network="facenet-casia", weight_ab=5.0, weight_ba=5.0, ramp_steps=0))


def case(model: ModelConfig, losses: LossesConfig = NO_LOSSES, precision: str = "fp32") -> RunConfig:
    return RunConfig(
        steps=10,
        seed=2,  # with which no unit is within rounding of zero in the first step
        batch_size=BATCH,
        device="cpu",
        precision=precision,
        data=DataConfig(size=(SIZE, SIZE)),
        model=model,
        losses=losses,
    )


CASES = {
    "munit": case(MUNIT),
    "munit with every term": case(EVERY_TERM),
    "munit with mixup": case(replace(MUNIT, mixup=munit.MixupConfig())),
    "ugatit light": case(UGATIT_LIGHT),
    "ugatit full": case(UGATIT_FULL),
    "ugatit with faces": case(UGATIT_LIGHT, FACE),
    "munit in bf16": case(MUNIT, precision="bf16"),
    "munit, one direction after the other": replace(case(EVERY_TERM), less_memory=True),
    "ugatit with faces, one direction after the other": replace(case(UGATIT_LIGHT, FACE), less_memory=True),
    "munit recomputed": replace(case(EVERY_TERM), recompute=True),
    "ugatit recomputed": replace(case(UGATIT_LIGHT), recompute=True),
}


class Bricks(nn.Module):
    """A toy face network: the unit vector of the mean colours of 16 parts."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(nn.functional.adaptive_avg_pool2d(x + 2, 4).flatten(1))


def load_bricks(name: str) -> FaceEmbedder:
    return FaceEmbedder(Bricks(), replace(FACE_NETWORKS["facenet-casia"], dim=48), name)


def steps(
    config: RunConfig, engine: Engine, starts: Sequence[dict[str, Tensor]] = ()
) -> tuple[list[dict[str, float]], list[dict[str, Tensor]]]:
    """The numbers of each step of `config`, and all tensors of its state at the start and after each step.

    Each step goes on from the one before; where there are `starts`, from these.
    """
    state = TrainState(config, Engine("cpu", config.precision, engine.processes))
    values, tensors = [], [copies(state)]
    for step in range(STEPS):
        if starts:
            state.load_tensors(starts[step], step)
        x_a, x_b = (own(pictures(d, step), engine) for d in "ab")
        present = torch.arange(BATCH) < (3, 1, 0)[step]  # an unequal share of them, for one process, for nobody
        boxes = FaceBoxes(torch.tensor([[0.0, 0.0, SIZE, SIZE]] * len(x_a)), own(present, engine))
        values.append(train_step(state, Batch(x_a, x_b), Faces(boxes, boxes)))
        tensors.append(copies(state))
    return values, tensors


def pictures(domain: str, step: int) -> Tensor:
    return torch.rand(BATCH, 3, SIZE, SIZE, generator=rng_for(domain, step)) * 2 - 1


def own(rows: Tensor, engine: Engine) -> Tensor:
    return rows.chunk(engine.world_size)[engine.rank]


def copies(state: TrainState) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in state.tensors().items()}


def steps_in_two(rank: int) -> dict[str, tuple[list[dict[str, float]], list[dict[str, Tensor]]]]:
    """What `steps` gives in process `rank` for all cases."""
    embedder.load_embedder = load_bricks
    torch.manual_seed(rank)  # the global generator plays no part
    with together() as processes:
        engine = Engine("cpu", "fp32", processes)
        assert (engine.rank, engine.world_size) == (rank, 2)
        return {name: steps(config, engine) for name, config in CASES.items()}


def gradients_in_two(rank: int) -> list[Tensor]:
    """The gradient of one weight in process `rank` after a pass that is averaged later, and after one that is not."""
    with together() as processes:
        engine, found = Engine("cpu", "fp32", processes), []
        network = engine.wrap(nn.Linear(1, 1, bias=False))
        for on in (True, False):
            with engine.averaging_later(network, on=on):
                network(torch.tensor([[1.0 + rank]])).backward()
            found += [gradient.clone() for gradient in (p.grad for p in network.parameters()) if gradient is not None]
        return found


def received_in_two(rank: int, path: Path) -> dict[str, Tensor]:
    """All tensors of process `rank` after it has received the checkpoint of "munit" that process 0 alone has read."""
    with together() as processes:
        state = TrainState(CASES["munit"], Engine("cpu", "fp32", processes))
        if rank == 0:
            checkpoint.load(state, path)
        state.receive_from_main()
        return copies(state)
