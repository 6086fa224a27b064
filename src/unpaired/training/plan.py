"""What a run will need, before it starts: memory, time and disk. Estimates, and they say so.

Memory: weights, Adam's moments and the average are known; what a step takes besides, and what the process takes
besides its tensors, is measured in some small steps, and grows with the pixels. So is time (`training.trial`).
How right this is: benchmarks/plan.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from unpaired.config import RunConfig
from unpaired.data.folders import PictureFolders
from unpaired.domain_names import domain_names
from unpaired.models.base import AnyMethod
from unpaired.training.engine import Engine
from unpaired.training.footprint import batch_without_content, extra_losses_without_content, method_without_content
from unpaired.training.memory import MIB, capacity_mib, cheapest_saving
from unpaired.training.progress import duration
from unpaired.training.selfcheck import MIN_STEPS
from unpaired.training.speeds import slower_than_needed
from unpaired.training.trial import Trial, try_steps

WORKING_SHARE = 0.1  # of the tensors of a step beyond those measured: workspaces of convolutions, fragmentation
CUDA_LIBRARIES_BYTES = 500 * MIB  # the CUDA context; PyTorch does not count it
GRID_BYTES_PER_PIXEL = 2.0  # of sample grids as PNG, by the pixels of the pictures before they are enlarged
WIDTH = 110  # columns of the description
WARN_SHARE = 0.9  # of the device's memory


@dataclass(frozen=True)
class Plan:
    """What `config` asks for. `memory` in bytes by what it is for; `capacity` of the device in bytes.

    When not even a small step fits into the device's memory, `memory` holds only what is known without one, and
    `flops_per_step` and `seconds_per_step` are None. `remarks` say what makes the time long or doubtful.
    """

    config: RunConfig
    run_folder: Path
    device: torch.device
    precision: str
    num_pictures: tuple[int, int]
    parameters: Mapping[str, int]
    memory: Mapping[str, int]
    capacity: int
    flops_per_step: int | None
    seconds_per_step: float | None
    remarks: tuple[str, ...]
    checkpoint_bytes: int
    grid_bytes: int

    @property
    def total_memory(self) -> int:
        """All memory in bytes."""
        return sum(self.memory.values())

    @property
    def num_checkpoints(self) -> int:
        """How many checkpoints there are at most: the last, the best, the snapshots, and one while it is written."""
        every, keep = self.config.checkpoints.snapshot_every_steps, self.config.checkpoints.keep
        num_best = 0 if self.config.evaluation.every_steps is None else 1
        return 2 + num_best + (min(keep, self.config.steps // every) if every else 0)

    @property
    def num_grids(self) -> int:
        """How often sample grids are drawn."""
        return 2 + (self.config.steps - 1) // self.config.samples.every_steps


def make_plan(config: RunConfig, folders: PictureFolders, run_folder: Path, engine: Engine) -> Plan:
    """The plan for training `config` on `folders` into `run_folder`; writes nothing, takes some seconds."""
    method = method_without_content(config.model)
    kept = tensor_bytes(config, method)
    pretrained = {"pretrained networks": network_bytes(*extra_losses_without_content(config.losses).networks)}
    trial = try_steps(config, engine)
    num_pixels = config.batch_size * config.data.size[0] * config.data.size[1]
    known = kept | pretrained
    return Plan(
        config=config,
        run_folder=run_folder,
        device=engine.device,
        precision=engine.precision,
        num_pictures=(len(folders.a), len(folders.b)),
        parameters=count_parameters(method),
        memory=known | _copies(config, kept) | _of_steps(trial, num_pixels, known, engine.device),
        capacity=round(capacity_mib(engine.device) * MIB),
        flops_per_step=trial.flops(num_pixels) if trial.measured else None,
        seconds_per_step=trial.seconds(num_pixels) if trial.measured else None,
        remarks=tuple(_remarks(trial, engine, config.precision)),
        checkpoint_bytes=sum(kept.values()),
        grid_bytes=grid_bytes(config, method, min(len(folders.a), len(folders.b))),
    )


def count_parameters(method: AnyMethod) -> dict[str, int]:
    """The number of parameters of the generators and of the discriminators."""
    networks = {"generators": method.generators, "discriminators": method.discriminators}
    return {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}


def tensor_bytes(config: RunConfig, method: AnyMethod) -> dict[str, int]:
    """The bytes of what stays from step to step, and is in a checkpoint."""
    networks = (method.generators, method.discriminators)
    parameters = sum(p.numel() * p.element_size() for network in networks for p in network.parameters())
    return {
        "weights": network_bytes(*networks),
        "Adam's moments": 2 * parameters,
        "average of the generators": network_bytes(method.generators) if config.ema_decay > 0 else 0,
    }


def network_bytes(*networks: nn.Module) -> int:
    """The bytes of all weights and buffers of `networks`."""
    return sum(t.numel() * t.element_size() for network in networks for t in network.state_dict().values())


def grid_bytes(config: RunConfig, method: AnyMethod, num_pictures: int) -> int:
    """The disk space, in bytes, that the sample grids of one step take."""
    num_inputs = min(config.samples.num_inputs, num_pictures)
    batch = batch_without_content(num_inputs, config.data.size)
    with torch.no_grad():
        grids = method.sample_grids(method.generators, batch, torch.Generator(), config.samples.num_styles)
    return round(sum(grid.pictures.numel() / 3 for grid in grids) * GRID_BYTES_PER_PIXEL)


def describe(plan: Plan) -> str:
    """The plan as lines of text for people."""
    config, (height, width) = plan.config, plan.config.data.size
    names, nums = domain_names(config.data), plan.num_pictures
    seen = config.steps * config.batch_size
    rows = {
        "folder": str(plan.run_folder),
        "pictures": f"{nums[0]:,} of a ({names[0]}), {nums[1]:,} of b ({names[1]}), trained on at {width}x{height} px",
        "steps": f"{config.steps:,} of {config.batch_size} pictures of each domain: "
        f"{_times(seen, nums[0])} through a, {_times(seen, nums[1])} through b",
        "networks": ", ".join(f"{name} {count:,} parameters" for name, count in plan.parameters.items()),
        "memory": _describe_memory(plan),
        "time": _describe_time(plan),
        "disk": _describe_disk(plan),
    }
    lines = [_row(name, text) for name, text in rows.items()]
    head = "Plan (nothing has been written; memory, time and disk are estimates, usually right within a quarter):"
    return "\n".join([head, *lines, *plan.remarks, *_warnings(plan)])


def _row(name: str, text: str) -> str:
    return "\n".join(textwrap.wrap(f"  {name:<9} {text}", WIDTH, subsequent_indent=" " * 12, break_long_words=False))


def _describe_memory(plan: Plan) -> str:
    parts = ", ".join(f"{name} {_size(size)}" for name, size in plan.memory.items() if size >= MIB)
    about = "about" if plan.seconds_per_step is not None else "more than"
    return f"{about} {_size(plan.total_memory)} on {plan.device.type} in {plan.precision}: {parts}"


def _describe_time(plan: Plan) -> str:
    if plan.seconds_per_step is None or plan.flops_per_step is None:
        return "unknown: not even a small step fits into this device's memory"
    seconds = plan.seconds_per_step
    gflop = plan.flops_per_step / 1e9
    a_step = (
        f"{_three_digits(seconds)} s a step, {_three_digits(gflop)} GFLOP as computed here "
        f"at {_three_digits(gflop / seconds)} GFLOP/s"
    )
    return f"about {duration(seconds * plan.config.steps)}: {a_step}, as fast as this machine is right now"


def _describe_disk(plan: Plan) -> str:
    checkpoints, grids = plan.num_checkpoints * plan.checkpoint_bytes, plan.num_grids * plan.grid_bytes
    return (
        f"about {_size(checkpoints + grids)}: {plan.num_checkpoints} checkpoints of {_size(plan.checkpoint_bytes)}, "
        f"sample grids {plan.num_grids:,} times {_size(plan.grid_bytes)}"
    )


def _remarks(trial: Trial, engine: Engine, precision: str) -> Iterator[str]:
    if (slow := slower_than_needed(engine.device, precision)) is not None:
        yield slow
    if (item := trial.unsteady) is not None:
        times = f"from {_three_digits(min(item.times))} to {_three_digits(max(item.times))} s"
        yield f"The time is doubtful: one and the same step took {times}, so other work disturbs this machine."


def _warnings(plan: Plan) -> list[str]:
    if plan.total_memory < WARN_SHARE * plan.capacity:
        return []
    flag = cheapest_saving(plan.config)
    first = f"Add {flag}. " if flag else ""
    return [
        f"warning: this device has {_size(plan.capacity)} of memory. {first}Lower --size or --batch, or the networks' "
        "dim (--set model.generator.dim=32)."
    ]


def _copies(config: RunConfig, kept: Mapping[str, int]) -> dict[str, int]:
    """What the self-check keeps while it makes steps: the state before them, which has no moments yet."""
    is_checked = config.self_check and config.steps >= MIN_STEPS
    return {"the self-check's copy": kept["weights"] + kept["average of the generators"] if is_checked else 0}


def _of_steps(trial: Trial, num_pixels: int, kept: Mapping[str, int], device: torch.device) -> dict[str, int]:
    """What the tensors of a step take, and the process besides tensors (on a CPU, where all comes from one store)."""
    if not trial.measured:
        return {}
    measured, needed = trial.largest.cost.num_bytes, trial.num_bytes(num_pixels)
    found = {"activations and gradients": needed + round(WORKING_SHARE * max(0, needed - measured))}
    if device.type == "cuda":
        return found | {"CUDA itself": CUDA_LIBRARIES_BYTES}
    if device.type != "cpu":
        return found
    besides = trial.largest.process_bytes - measured - sum(kept.values())
    return found | {"Python, PyTorch and pictures": max(0, besides)}


def _times(seen: int, num_pictures: int) -> str:
    return f"{_three_digits(seen / num_pictures) if num_pictures else 0} times"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _size(num_bytes: float) -> str:
    mib = num_bytes / MIB
    return f"{mib:,.0f} MiB" if mib < 2000 else f"{mib / 1024:,.1f} GiB"
