"""Two processes do together what one does alone: step by step, and in whole runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from shared_runs import STAND_INS, runs_in_two, train
from shared_steps import CASES, gradients_in_two, load_bricks, pictures, received_in_two, steps, steps_in_two
from torch import Tensor
from two_processes import run_in_two

from unpaired import tensorfile
from unpaired.evaluation import tools
from unpaired.faces import embedder
from unpaired.models.base import Batch
from unpaired.training import checkpoint
from unpaired.training.engine import Engine
from unpaired.training.state import TrainState
from unpaired.training.step import train_step

NETWORKS = ("generators", "discriminators")


def largest_difference(name: str, found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Of the tensors whose names begin with `name`, as a share of the largest number in them."""
    keys = [key for key in expected if key.startswith(f"{name}.")]
    scale = max(float(expected[key].abs().max()) for key in keys)
    return max(float((found[key] - expected[key]).abs().max()) for key in keys) / scale


def deviation(name: str, found: dict[str, Tensor], expected: dict[str, Tensor], start: dict[str, Tensor]) -> float:
    """How far the kernels of network `name` are from where they should be, as a share of the way that they went.

    Without biases: in front of a norm these have no gradient but rounding, which Adam makes as large as any other.
    """
    keys = [key for key in expected if key.startswith(f"{name}.") and expected[key].dim() > 1]
    off, way = (
        torch.cat([(x[key] - y[key]).flatten() for key in keys]).norm()
        for x, y in ((found, expected), (expected, start))
    )
    return float(off / way)


def test_two_processes_step_as_one_does_with_the_whole_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over a batch are added up in another order in two halves: equal up to rounding, the processes bit for bit.

    The first moments after the first step are the gradients times 1 − β₁. Later a difference of rounding turns the sign
    of an absolute value here and there, which has a gradient of a pixel's size. What it does to the steps after, Adam
    makes larger and larger: so the one process makes each step from where the two are.
    """
    monkeypatch.setattr(embedder, "load_embedder", load_bricks)
    first, second = run_in_two(steps_in_two, tmp_path)
    for name, config in CASES.items():
        tight, loose = (1e-5, 1e-3) if config.precision == "fp32" else (2e-2, 0.2)
        values, tensors = steps(config, Engine("cpu"), starts=first[name][1])
        assert first[name][0] == second[name][0], name
        assert first[name][1][0].keys() == tensors[0].keys(), name
        for step, (found, other, expected) in enumerate(zip(first[name][1], second[name][1], tensors, strict=True)):
            where = f"{name}, after {step} steps"
            assert [key for key in expected if not torch.equal(found[key], other[key])] == [], where
            if step == 0:
                assert [key for key in expected if not torch.equal(found[key], expected[key])] == [], where
                continue
            assert first[name][0][step - 1] == pytest.approx(values[step - 1], rel=10 * tight, abs=tight), where
            for network in NETWORKS:
                moments = f"optimizer_{network}.exp_avg"
                assert largest_difference(moments, found, expected) < (tight if step == 1 else loose), where
                assert deviation(network, found, expected, first[name][1][step - 1]) < loose, where


def test_gradients_of_several_passes_are_averaged_once(tmp_path: Path) -> None:
    (first, *_), (second, *_) = found = run_in_two(gradients_in_two, tmp_path)
    assert (float(first), float(second)) == (1.0, 2.0), "each its own"
    assert [float(after) for _, after in found] == [3.0, 3.0], "the mean of 1 + 1 and 2 + 2"


def test_what_one_process_has_read_all_have(tmp_path: Path) -> None:
    """Kernels and their moments in whatever order of memory they are."""
    state = TrainState(CASES["munit"], Engine("cpu"))
    train_step(state, Batch(pictures("a", 0), pictures("b", 0)))
    for found in run_in_two(received_in_two, tmp_path, checkpoint.save(state, tmp_path)):
        assert [name for name, tensor in state.tensors().items() if not torch.equal(found[name], tensor)] == []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a data folder of five pictures of a, four of b and three held-out ones of each."""
    draw = np.random.default_rng(0)
    for part, count in (("trainA", 5), ("trainB", 4), ("testA", 3), ("testB", 3)):
        (tmp_path / "data" / part).mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(0, 256, (18, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / part / f"{number}.png")
    for name, stand_in in STAND_INS.items():
        monkeypatch.setattr(tools, name, stand_in)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(run: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / name).read_text(encoding="utf-8").splitlines()]


def losses(run: Path) -> list[dict[str, float]]:
    """The numbers of each step that do not depend on time."""
    return [{k: v for k, v in line.items() if "loss" in k or "/" in k or k == "step"} for line in lines(run)]


def files(run: Path) -> list[str]:
    """All files of a run; one that TensorBoard writes has a name of its own each time."""
    return sorted(re.sub(r"tfevents.*", "tfevents", path.relative_to(run).as_posix()) for path in run.rglob("*"))


def test_two_processes_run_as_one_does(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    first, second = run_in_two(runs_in_two, tmp_path_factory.mktemp("results"), place)
    unbroken = Path("runs/0001-munit-data")
    assert first["unbroken"] == second["unbroken"] == (unbroken, 4, 0)
    assert [path.name for path in Path("runs").iterdir()] == [unbroken.name]

    alone = Path("alone")
    assert train(Path("data"), steps=4, out=alone) == (alone, 4, 0)
    assert files(unbroken) == files(alone)
    assert [line["step"] for line in lines(unbroken)] == [1, 2, 3, 4]
    for found, expected in zip(losses(unbroken), losses(alone), strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert [line["step"] for line in lines(unbroken, "evaluations.jsonl")] == [2, 4]
    log = (unbroken / "log.txt").read_text(encoding="utf-8")
    assert log.count("Self-check passed") == log.count("Step 4: kid") == log.count("Done: 4 steps") == 1

    assert first["resumed"] == second["resumed"] == (Path("resumed"), 4, 0)
    (_, resumed), (_, whole) = (
        tensorfile.read(run / "checkpoints/last.safetensors") for run in (Path("resumed"), unbroken)
    )
    assert [name for name, tensor in whole.items() if not torch.equal(tensor, resumed[name])] == []

    assert train(Path("data"), steps=4, resume=Path("half")) == (Path("half"), 4, 0), "what two began, one goes on with"
    for found, expected in zip(losses(Path("half")), losses(alone), strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)

    assert train(Path("data"), steps=1, out=Path("started"), init=Path("start")) == (Path("started"), 1, 0)
    assert losses(Path("from_weights"))[0] == pytest.approx(losses(Path("started"))[0], rel=1e-4, abs=1e-6)

    usage_errors = "UsageError", "SystemExit: 2"
    assert sorted(str(ends["wrong"]).startswith(usage_errors) for ends in (first, second)) == [True, True]
    assert first["wrong"] != second["wrong"], "one alone says what is wrong"
    assert not Path("wrong").exists()
    assert first["interrupted"] == second["interrupted"] == (Path("interrupted"), 3, 143)
    assert tensorfile.read_header(Path("interrupted/checkpoints/last.safetensors"))["step"] == 3
    errors = "NonFiniteError: Step 1: discriminator/adversarial_a is nan", "SystemExit: 1"
    assert sorted(str(ends["poisoned"]).startswith(errors) for ends in (first, second)) == [True, True]
    assert first["poisoned"] != second["poisoned"]
    assert tensorfile.read_header(Path("poisoned/checkpoints/last.safetensors"))["step"] == 0
