"""`unpaired doctor`: what this machine and this installation can do, and the way out of known problems."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from unpaired.errors import Problem

if TYPE_CHECKING:
    from unpaired.training.speeds import Speeds

GIB = 2**30
SHOWN_PACKAGES = ("torch", "torchvision", "accelerate", "numpy", "pillow", "opencv-python-headless")
FEW_FREE_GIB = 2.0
FEW_SHARED_MIB = 256


@dataclass(frozen=True)
class Device:
    """What is known of one device."""

    name: str
    title: str
    memory: str
    speeds: Speeds


def doctor() -> int:
    """Show versions, devices with their speed, disk space and known problems; exit code 1 when there is a problem."""
    print(f"unpaired {metadata.version('unpaired')}, Python {platform.python_version()}, {platform.platform()}")
    print(", ".join(f"{name} {_version(name)}" for name in SHOWN_PACKAGES))
    problems = list(package_problems())
    if not problems:
        devices = [measured(*found) for found in _devices()]
        print("\nDevices (speed of a small matrix product)")
        print("\n".join(line for device in devices for line in described(device)))
        print(f"  {_choice()}")
        problems += [*device_problems(devices), *accelerator_problems()]
    print(f"\nDisk: {_free_gib(Path.cwd()):.1f} GiB free in {Path.cwd()}")
    problems += disk_problems(Path.cwd())
    if not problems:
        print("\nNo known problem.")
        return 0
    print("\nProblems")
    print("\n".join(f"- {problem}" for problem in problems))
    return 1


def package_problems() -> Iterator[Problem]:
    """What is wrong with the installed packages: missing, of a version that does not fit, or in each other's way."""
    from packaging.requirements import Requirement

    for line in metadata.requires("unpaired") or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        seen = _version(requirement.name)
        if seen == "missing" or not requirement.specifier.contains(seen, prereleases=True):
            message = f"{requirement.name} is {seen}; unpaired needs {requirement.name}{requirement.specifier}"
            yield Problem(message, f'{sys.executable} -m pip install "{requirement}"')
    if "missing" not in (_version("opencv-python"), _version("opencv-python-headless")):
        yield Problem(
            "opencv-python and opencv-python-headless are both installed and overwrite each other",
            f"{sys.executable} -m pip uninstall opencv-python",
        )


def measured(name: str, title: str, memory: str) -> Device:
    """The device `name` with the speed of its matrix products."""
    import torch

    from unpaired.training.speeds import measured_speeds

    return Device(name, title, memory, measured_speeds(torch.device(name)))


def described(device: Device) -> Iterator[str]:
    """`device` as lines of text, with a remark where bfloat16 does not pay, or would."""
    speeds = device.speeds
    yield f"  {device.name}: {device.title}, {device.memory}"
    yield f"    fp32 {_speed(speeds.fp32)}, bf16 {_speed(speeds.bf16)}"
    if speeds.bf16_is_slower:
        yield "    bf16 works but is slower than fp32 here: train and translate with --precision fp32."
    elif device.name == "cpu" and speeds.bf16_is_faster:
        yield "    bf16 is faster: --precision bf16 shortens training and translating, and rounds within the networks."


def device_problems(devices: list[Device]) -> Iterator[Problem]:
    """Devices that are found but cannot multiply."""
    for device in devices:
        if device.speeds.fp32 is None:
            yield Problem(
                f"{device.name} ({device.title}) is there but cannot compute",
                "Its driver and this build of PyTorch do not fit: update the driver, or use --device cpu.",
            )


def accelerator_problems(run: Callable[[str], str | None] = shutil.which) -> Iterator[Problem]:
    """An NVIDIA GPU that PyTorch does not use. `run` finds a program on the PATH."""
    import torch

    if run("nvidia-smi") and not torch.cuda.is_available():
        build = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
        yield Problem(
            f"nvidia-smi is installed, but PyTorch {torch.__version__} sees no GPU (it {build})",
            "Run nvidia-smi; if it lists a GPU, install the build of PyTorch for its driver from pytorch.org.",
        )


def disk_problems(folder: Path, shared_memory: Path = Path("/dev/shm")) -> Iterator[Problem]:
    """Too little space in `folder` for runs, or in `shared_memory` for the processes that load pictures."""
    if _free_gib(folder) < FEW_FREE_GIB:
        yield Problem(
            f"{folder}: only {_free_gib(folder):.1f} GiB are free; a run of the paper's size needs several",
            "Free space, or write runs elsewhere with --out.",
        )
    if shared_memory.is_dir() and shutil.disk_usage(shared_memory).total < FEW_SHARED_MIB * 2**20:
        yield Problem(
            f"{shared_memory} is smaller than {FEW_SHARED_MIB} MiB: processes that load pictures may be killed",
            "Start the container with --shm-size=1g, or train with --set data.workers=0.",
        )


def _devices() -> Iterator[tuple[str, str, str]]:
    """Name, title and memory in words of each device that PyTorch sees."""
    import psutil
    import torch

    memory = psutil.virtual_memory()
    title = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    yield "cpu", title, f"{memory.total / GIB:.1f} GiB memory, {memory.available / GIB:.1f} free"
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        yield f"cuda:{index}", torch.cuda.get_device_name(index), f"{total / GIB:.1f} GiB memory, {free / GIB:.1f} free"
    if torch.backends.mps.is_available():
        yield "mps", "Apple GPU", f"up to {torch.mps.recommended_max_memory() / GIB:.1f} GiB memory"


def _choice() -> str:
    from unpaired.training.engine import Engine

    engine = Engine("auto", "auto")
    return (
        f"`unpaired train` computes on {engine.device.type} in {engine.precision}; --device and --precision change it."
    )


def _speed(value: float | None) -> str:
    return "does not work" if value is None else f"{value:,.0f} GFLOP/s"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _free_gib(folder: Path) -> float:
    return shutil.disk_usage(folder).free / GIB
