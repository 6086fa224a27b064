"""Devices, precision, and what processes reckon together. The only file that knows accelerate."""

from __future__ import annotations

import atexit
import warnings
from contextlib import AbstractContextManager, nullcontext

import torch
from accelerate import PartialState
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from unpaired.errors import Problem, UserError
from unpaired.layers.convolution import arranged
from unpaired.layers.share import Share
from unpaired.training.processes import ALONE, Processes


def device_problem(device: str) -> Problem | None:
    """Why the config's `device` cannot be used on this machine, or None."""
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if available[device]:
        return None
    there = ", ".join(name for name, here in available.items() if here)
    return Problem(f"--device {device}: this machine or this build of torch has none", f"Choose one of: {there}.")


class Engine:
    """Where tensors live and how processes agree: one per run and process."""

    def __init__(self, device: str = "auto", precision: str = "fp32", processes: Processes = ALONE) -> None:
        on_cpu = device == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
        self.processes = processes
        self.device: torch.device = _joined_device(on_cpu, processes)
        self.rank, self.world_size, self.is_main = processes.rank, processes.world_size, processes.is_main
        self.precision = self._choose(precision)

    def _choose(self, precision: str) -> str:
        if precision != "auto":
            return precision
        return "bf16" if self.device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"

    def wrap(self, module: nn.Module, *, in_parts: bool = False) -> nn.Module:
        """`module` on the device; with several processes wrapped so that `backward` averages its gradients.

        Its buffers are those of the main process at the start of each pass. `in_parts`: a pass may not need all of it.
        """
        arranged(module, self.device)
        if self.world_size == 1:
            return module
        # of 1×1 kernels: both strides mean the same, and copying that little costs nothing
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides", UserWarning)
        devices = None if self.device.type == "cpu" else [self.device]
        return DistributedDataParallel(
            module, device_ids=devices, gradient_as_bucket_view=True, find_unused_parameters=in_parts
        )

    def averaging_later(self, module: nn.Module, on: bool) -> AbstractContextManager[None]:
        """Within it, if `on`, gradients of the wrapped `module` stay in their process and are added up.

        The first pass without it averages the sums. Both directions of a pass, forward and backward, belong within.
        """
        if on and isinstance(module, DistributedDataParallel):
            context: AbstractContextManager[None] = module.no_sync()
            return context
        return nullcontext()

    def autocast(self) -> AbstractContextManager[None]:
        """The context in which networks run: bfloat16 where it is safe, or float32 throughout."""
        if self.precision == "bf16":
            context: AbstractContextManager[None] = torch.autocast(self.device.type, dtype=torch.bfloat16)
            return context
        return nullcontext()

    def share(self, rng: torch.Generator) -> Share:
        """This process's share of a step whose random numbers come from `rng`."""
        return Share(rng, rank=self.rank, world_size=self.world_size, gather=self.gather)

    def gather(self, rows: Tensor) -> Tensor:
        """The `rows` of all processes in the order of these, without gradients."""
        if self.world_size == 1:
            return rows
        rows = rows.contiguous()
        gathered = [torch.empty_like(rows) for _ in range(self.world_size)]
        distributed.all_gather(gathered, rows)
        return torch.cat(gathered)

    def mean(self, values: Tensor) -> Tensor:
        """`values` averaged over the processes."""
        if self.world_size == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total / self.world_size

    def max(self, number: int) -> int:
        """The largest `number` of all processes."""
        if self.world_size == 1:
            return number
        largest = torch.tensor(number, device=self.device)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def receive_from_main(self, tensor: Tensor) -> None:
        """Fill `tensor` with what it is in the main process, in whatever order of memory it is here and there."""
        if self.world_size > 1:
            values = tensor.contiguous()  # broadcasting looks at memory alone
            distributed.broadcast(values, src=0)
            tensor.copy_(values)

    def wait_for_main(self) -> None:
        """Return when the main process has come here too, however long that takes."""
        self.processes.wait_for_main()


def _joined_device(on_cpu: bool, processes: Processes) -> torch.device:
    """The device of this process, which can exchange tensors with the others from now on. Raises `UserError`."""
    is_ours = not distributed.is_initialized()  # Ray for one makes the group before it calls
    state = PartialState(cpu=on_cpu)
    if state.num_processes != processes.world_size:
        raise UserError(
            f"{processes.world_size} processes know of each other, but {state.num_processes} could be joined",
            "Start them with torchrun or accelerate launch, on CUDA devices or with --device cpu; see docs/scaling.md.",
        )
    if processes.world_size > 1 and is_ours:
        atexit.register(_leave_group, processes)
    return torch.device("cpu") if on_cpu else state.device


def _leave_group(processes: Processes) -> None:
    """Tidy up after a good end. After a bad one this could wait for processes that are gone."""
    if processes.failure() is None and distributed.is_initialized():
        distributed.destroy_process_group()
