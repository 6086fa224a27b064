"""Devices, precision and processes. The only file that knows accelerate."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from unpaired.errors import Problem
from unpaired.layers.share import Share
from unpaired.training.memory import give_back_large_blocks


def device_problem(device: str) -> Problem | None:
    """Why the config's `device` cannot be used on this machine, or None."""
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if available[device]:
        return None
    there = ", ".join(name for name, here in available.items() if here)
    return Problem(f"--device {device}: this machine or this build of torch has none", f"Choose one of: {there}.")


class Engine:
    """Where tensors live and how processes agree: one per run and process."""

    def __init__(self, device: str = "auto", precision: str = "fp32") -> None:
        self._accelerator = Accelerator(cpu=device == "cpu")
        self.device: torch.device = self._accelerator.device
        self.rank: int = self._accelerator.process_index
        self.world_size: int = self._accelerator.num_processes
        self.is_main: bool = self._accelerator.is_main_process
        self.precision = self._choose(precision)
        if self.device.type == "cpu":
            give_back_large_blocks()

    def _choose(self, precision: str) -> str:
        if precision != "auto":
            return precision
        return "bf16" if self.device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"

    def wrap(self, module: nn.Module) -> nn.Module:
        """`module` on the device; with several processes wrapped so that `backward` averages its gradients."""
        module.to(self.device)
        if self.world_size == 1:
            return module
        wrapped: nn.Module = self._accelerator.prepare_model(module)
        return wrapped

    def autocast(self) -> AbstractContextManager[None]:
        """The context in which networks run: bfloat16 where it is safe, or float32 throughout."""
        if self.precision == "bf16":
            context: AbstractContextManager[None] = torch.autocast(self.device.type, dtype=torch.bfloat16)
            return context
        return nullcontext()

    def mean(self, values: Tensor) -> Tensor:
        """`values` averaged over the processes."""
        if self.world_size == 1:
            return values
        reduced: Tensor = self._accelerator.reduce(values, reduction="mean")
        return reduced

    def share(self, rng: torch.Generator) -> Share:
        """This process's share of a step whose random numbers come from `rng`."""
        return Share(rng, rank=self.rank, world_size=self.world_size, gather=self.gather)

    def gather(self, rows: Tensor) -> Tensor:
        """The `rows` of all processes in the order of these, without gradients."""
        if self.world_size == 1:
            return rows
        gathered: Tensor = self._accelerator.gather(rows)
        return gathered

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process."""
        if self.world_size == 1:
            return flag
        return bool(self.mean(torch.tensor(float(flag), device=self.device)) > 0)

    def wait_for_all(self) -> None:
        """Return when every process has come here."""
        self._accelerator.wait_for_everyone()
