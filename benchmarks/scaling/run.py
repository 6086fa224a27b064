"""Two processes with one thread each against one process with two threads: the same steps, the same pictures, in turn.

    python -m benchmarks.scaling.run --size 64 --batch 2 --steps 8 --rounds 3

On one machine without a GPU both have the same processors, so the ratio shows what sharing a step costs: exchanging the
gradients inside the machine, and waiting for the slower half.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

WARM_UP_STEPS = 2


def main() -> None:
    """Measure as the command line says and print every pair and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="munit")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = draw_pictures(Path(folder) / "data", options.size)
        ratios = []
        for number in range(options.rounds):
            alone = seconds_per_step(data, Path(folder) / f"alone{number}", options, num_processes=1)
            shared = seconds_per_step(data, Path(folder) / f"shared{number}", options, num_processes=2)
            ratios.append(alone / shared)
            print(f"one process {alone:.2f} s a step, two processes {shared:.2f} s: {ratios[-1]:.2f} times as fast")
    print(
        f"median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}; {os.cpu_count()} cores"
    )


def draw_pictures(data: Path, size: int) -> Path:
    """A data folder of noise: what the pictures show costs nothing."""
    draw = np.random.default_rng(0)
    for part in ("trainA", "trainB"):
        (data / part).mkdir(parents=True)
        for number in range(8):
            pixels = draw.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data / part / f"{number}.png")
    return data


def seconds_per_step(data: Path, run: Path, options: argparse.Namespace, num_processes: int) -> float:
    """The median time of a step of a short run in `num_processes`, of two threads in all."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(num_processes), "-m"]
    settings = ["log.every_steps=1", "log.tensorboard=false", "samples.num_inputs=1", "samples.num_styles=1"]
    flags = {"preset": options.preset, "size": options.size, "batch": options.batch, "steps": options.steps, "out": run}
    arguments = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    arguments += ["--device", "cpu", "--precision", "fp32", *(part for text in settings for part in ("--set", text))]
    subprocess.run(
        [sys.executable, "-m", *launcher, "unpaired", "train", str(data), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": str(2 // num_processes)},
        check=True,
        capture_output=True,
    )
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return statistics.median(options.batch / line["pictures_per_second"] for line in lines[WARM_UP_STEPS:])


if __name__ == "__main__":
    main()
