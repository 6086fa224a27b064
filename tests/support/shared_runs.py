"""Whole runs, for one process or for two that share them: see test_distributed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unpaired.evaluation import tools
from unpaired.training import loop
from unpaired.training.job import TrainCall
from unpaired.training.launch import launch

SETTINGS = (
    "data.size=[16, 16]",
    "model.generator.dim=4",
    "model.generator.mlp_dim=8",
    "model.generator.style_dim=2",
    "model.generator.num_res_blocks=1",
    "model.discriminator.dim=4",
    "model.discriminator.num_layers=2",
    "model.discriminator.num_scales=1",
    "samples={every_steps: 2, num_inputs: 2, num_styles: 1}",
    "checkpoints={every_steps: 2, snapshot_every_steps: 2}",
    "evaluation={every_steps: 2, metrics: [kid], num_inputs: 4, num_styles: 2}",
    "log.every_steps=1",
    "device=cpu",
    "precision=fp32",
    "batch_size=8",  # more than there are pictures
)


class PixelNetwork:
    """Stands for a network with weights."""

    label = "pixels"
    recipe: Mapping[str, str] = {"network": "pixels"}

    def to(self, _device: torch.device) -> PixelNetwork:
        return self


def pixels(_network: object, batches: Any, _device: torch.device) -> Tensor:
    return torch.cat([torch.nn.functional.adaptive_avg_pool2d(batch, 2).flatten(1) for batch in batches])


STAND_INS: dict[str, Callable[..., object]] = {
    "default_feature_network": lambda: "pixels",
    "load_feature_network": lambda _name: PixelNetwork(),
    "features_of": pixels,
}
"""What `unpaired.evaluation.tools` is to use instead of a network with weights."""


def train(data: Path, *, steps: int, **changes: Any) -> tuple[Path, int, int] | str:
    """How the training ended: its folder, its last step and its exit code, or what it raised."""
    settings = (*SETTINGS, f"steps={steps}") if changes.get("resume") is None else (f"steps={steps}",)
    folders = (data,) if changes.get("resume") is None else ()
    try:
        result = launch(TrainCall(folders=folders, sets=settings, **changes))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return result.folder, result.step, result.exit_code


def runs_in_two(rank: int, place: Path) -> dict[str, tuple[Path, int, int] | str]:
    """How each of several runs ended for process `rank`."""
    os.chdir(place)
    for name, stand_in in STAND_INS.items():
        setattr(tools, name, stand_in)
    loop.MIN_STEPS = 4  # of a run that checks itself
    data, ends = Path("data"), {}
    ends["unbroken"] = train(data, steps=4)
    ends["half"] = train(data, steps=2, out=Path("resumed"))
    if rank == 0:
        for name in ("half", "start"):
            shutil.copytree("resumed", name)
    ends["resumed"] = train(data, steps=4, resume=Path("resumed"))
    ends["from weights"] = train(data, steps=1, out=Path("from_weights"), init=Path("start"))
    ends["wrong"] = train(data, steps=1, out=Path("wrong"), model="munitt")
    real_step = loop.train_step

    def interrupted(state: Any, batch: Any, faces: Any) -> Any:
        if rank == 1 and state.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real_step(state, batch, faces)

    loop.train_step = interrupted
    ends["interrupted"] = train(data, steps=100, out=Path("interrupted"))

    def poisoned(state: Any, batch: Any, faces: Any) -> Any:
        if rank == 1 and state.step == 1:
            batch.x_a.fill_(float("nan"))
        return real_step(state, batch, faces)

    loop.train_step = poisoned
    ends["poisoned"] = train(data, steps=3, out=Path("poisoned"))
    return ends
