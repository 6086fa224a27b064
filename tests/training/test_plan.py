from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unpaired import presets
from unpaired.config import CheckpointsConfig, RunConfig, SamplesConfig
from unpaired.data.folders import PictureFolders
from unpaired.losses.config import FaceConfig, LossesConfig
from unpaired.models.base import Batch
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.training import speeds, trial
from unpaired.training.engine import Engine
from unpaired.training.footprint import method_without_content
from unpaired.training.memory import resident_peak_bytes
from unpaired.training.plan import Plan, count_parameters, describe, grid_bytes, make_plan, tensor_bytes
from unpaired.training.speeds import Speeds
from unpaired.training.state import TrainState
from unpaired.training.step import train_step

MODEL = MunitConfig(
    generator=GeneratorConfig(dim=4, mlp_dim=8, num_res_blocks=1),
    discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=2),
)
CONFIG = replace(
    presets.munit_small(),
    device="cpu",
    precision="fp32",
    steps=1000,
    batch_size=2,
    model=MODEL,
    data=replace(presets.munit_small().data, size=(32, 48), a="my/cats", b="my/dogs"),
)
FOLDERS = PictureFolders(
    tuple(Path(f"{number}.png") for number in range(10)), tuple(Path(f"{number}.png") for number in range(100))
)


@pytest.fixture(autouse=True)
def two_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "BUDGET_SECONDS", 0.0)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(CONFIG)


def plan_of(config: RunConfig) -> Plan:
    return make_plan(config, FOLDERS, Path("runs/0007-munit-x"), Engine(config.device, config.precision))


@pytest.mark.parametrize("ema_decay", [0.0, 0.999])
def test_what_stays_is_what_a_checkpoint_holds(ema_decay: float) -> None:
    config = replace(CONFIG, ema_decay=ema_decay)
    state = TrainState(config, Engine("cpu", "fp32"))
    train_step(state, Batch(torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48)))
    planned = tensor_bytes(config, method_without_content(MODEL))
    saved = sum(tensor.numel() * tensor.element_size() for tensor in state.tensors().values())
    assert sum(planned.values()) == saved


def test_networks_of_the_paper_have_their_sizes() -> None:
    method = method_without_content(presets.munit().model)
    assert count_parameters(method) == {"generators": 2 * 15_026_187, "discriminators": 2 * 8_271_171}


def test_the_plan_counts_checkpoints_and_grids(plan: Plan) -> None:
    config = replace(
        CONFIG,
        checkpoints=CheckpointsConfig(snapshot_every_steps=100, keep=3),
        samples=SamplesConfig(every_steps=300, num_inputs=4, num_styles=2),
    )
    changed = replace(plan, config=config)
    assert changed.num_checkpoints == 1 + 3 + 1, "the last, the snapshots, one being written"
    assert changed.num_grids == 5, "at steps 0, 300, 600, 900, 1000"


def test_grids_of_fewer_pictures_are_smaller() -> None:
    method = method_without_content(MODEL)
    assert grid_bytes(CONFIG, method, num_pictures=2) < grid_bytes(CONFIG, method, num_pictures=4)
    assert grid_bytes(CONFIG, method, num_pictures=1000) == grid_bytes(CONFIG, method, CONFIG.samples.num_inputs)


def test_the_description_names_what_people_ask_for(plan: Plan) -> None:
    text = describe(plan)
    assert "runs/0007-munit-x" in text.replace("\\", "/")
    assert "10 of a (cats), 100 of b (dogs)" in text
    assert "200 times through a, 20 times through b" in " ".join(text.split())
    assert "estimates" in text
    assert all(word in text for word in ("memory", "time", "disk", "MiB", "a step"))
    assert max(len(line) for line in text.splitlines()) <= 110
    assert "warning" not in text


def test_what_makes_the_time_doubtful_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_times", lambda *_: (1.5, 4.25))
    assert "The time is doubtful: one and the same step took from 1.5 to 4.25 s" in describe(plan_of(CONFIG))
    monkeypatch.setattr(trial, "_times", lambda *_: (1.5, 1.5))
    assert "doubtful" not in describe(plan_of(CONFIG))


def test_a_precision_that_makes_the_run_slower_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "measured_speeds", lambda _: Speeds(fp32=328.0, bf16=165.0))
    assert "165 GFLOP/s in bf16 and at 328 in fp32" in describe(plan_of(replace(CONFIG, precision="bf16")))
    assert "in bf16" not in describe(plan_of(CONFIG))


def test_a_precision_that_would_make_the_run_faster_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "measured_speeds", lambda _: Speeds(fp32=313.0, bf16=1707.0))
    assert "Use --precision bf16" in " ".join(describe(plan_of(replace(CONFIG, precision="auto"))).split())
    assert "--precision bf16" not in describe(plan_of(replace(CONFIG, precision="fp32")))


def test_too_much_memory_is_warned_of(plan: Plan) -> None:
    text = describe(replace(plan, capacity=2**20))
    assert "warning: this device has 1 MiB" in text
    assert "--less-memory" in text
    saving = replace(plan, config=replace(CONFIG, less_memory=True), capacity=2**20)
    assert "Add --recompute" in describe(saving)
    saving = replace(plan, config=replace(CONFIG, less_memory=True, recompute=True), capacity=2**20)
    assert "Add --" not in describe(saving)


def test_what_is_known_when_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> float:
        raise torch.OutOfMemoryError("for the test")

    monkeypatch.setattr(trial, "count_step", out_of_memory)
    plan = plan_of(CONFIG)
    assert plan.seconds_per_step is None
    assert plan.flops_per_step is None
    text = describe(plan)
    assert "unknown" in text
    assert "more than" in text
    assert plan.total_memory >= plan.checkpoint_bytes > 0


def test_memory_is_what_was_measured_and_grows_with_the_batch() -> None:
    small, large = (plan_of(replace(CONFIG, batch_size=batch_size)).memory for batch_size in (1, 64))
    assert large["activations and gradients"] > 20 * small["activations and gradients"]
    assert sum(small.values()) == pytest.approx(resident_peak_bytes(), rel=0.3)
    assert large["weights"] == small["weights"]


def test_the_self_check_keeps_a_copy(plan: Plan) -> None:
    copies = [
        plan_of(replace(CONFIG, **changes)).memory["the self-check's copy"]
        for changes in ({}, {"self_check": False}, {"steps": 10})
    ]
    assert copies == [plan.memory["weights"] + plan.memory["average of the generators"], 0, 0]


def test_pretrained_networks_are_counted_too() -> None:
    config = replace(CONFIG, losses=LossesConfig(face=FaceConfig()))
    assert plan_of(config).memory["pretrained networks"] == pytest.approx(4 * 23_468_336, rel=0.01)
