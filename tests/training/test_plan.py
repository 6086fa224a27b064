from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unpaired import presets
from unpaired.config import CheckpointsConfig, RunConfig, SamplesConfig
from unpaired.data.folders import PictureFolders
from unpaired.losses.config import FaceConfig, LossesConfig
from unpaired.models.base import Batch
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig, WeightsConfig
from unpaired.training import trial
from unpaired.training.engine import Engine
from unpaired.training.footprint import (
    batch_without_content,
    count_step,
    extra_losses_without_content,
    method_without_content,
    whole_faces,
)
from unpaired.training.plan import Plan, count_parameters, dearest_step, describe, grid_bytes, make_plan, tensor_bytes
from unpaired.training.state import TrainState
from unpaired.training.step import train_step
from unpaired.training.trial import Kept, Measured, extrapolated, trial_sizes

MODEL = MunitConfig(
    generator=GeneratorConfig(dim=4, mlp_dim=8, num_res_blocks=1),
    discriminator=DiscriminatorConfig(dim=4, num_layers=2, num_scales=2),
)
NO_EXTRAS = extra_losses_without_content(LossesConfig())
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
def one_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "BUDGET_FOR_TWO_SECONDS", 0.0)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(CONFIG)


def plan_of(config: RunConfig) -> Plan:
    return make_plan(config, FOLDERS, Path("runs/0007-munit-x"), Engine(config.device, config.precision))


def test_counting_on_meta_is_counting_for_real() -> None:
    state = TrainState(CONFIG, Engine("cpu", "fp32"))
    real = count_step(state.method, Batch(torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48)), 0, NO_EXTRAS)
    assert count_step(method_without_content(MODEL), batch_without_content(2, (32, 48)), 0, NO_EXTRAS) == real


def test_arithmetic_is_that_of_a_whole_step() -> None:
    state = TrainState(CONFIG, Engine("cpu", "fp32"))
    with FlopCounterMode(display=False) as counter:
        train_step(state, Batch(torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48)))
    counted = count_step(method_without_content(MODEL), batch_without_content(2, (32, 48)), 0, NO_EXTRAS)
    assert counted.flops == pytest.approx(counter.get_total_flops(), rel=0.05)


def test_activations_and_arithmetic_grow_with_the_batch() -> None:
    one, four = (
        count_step(method_without_content(MODEL), batch_without_content(n, (32, 32)), 0, NO_EXTRAS) for n in (1, 4)
    )
    assert four.kept_bytes == pytest.approx(4 * one.kept_bytes, rel=0.02)
    assert four.flops == pytest.approx(4 * one.flops, rel=0.02)


def test_a_term_costs_memory_and_arithmetic() -> None:
    with_cycle = replace(MODEL, weights=WeightsConfig(cycle=10.0))
    without, with_it = (
        count_step(method_without_content(model), batch_without_content(1, (32, 32)), 0, NO_EXTRAS)
        for model in (MODEL, with_cycle)
    )
    assert with_it.kept_bytes > 1.2 * without.kept_bytes
    assert with_it.flops > 1.2 * without.flops


def test_the_dearest_end_of_a_schedule_counts() -> None:
    early = replace(CONFIG, model=replace(MODEL, weights=WeightsConfig(cycle=((0, 10.0), (10, 0.0)))))
    late = replace(CONFIG, model=replace(MODEL, weights=WeightsConfig(cycle=((10, 10.0),))))
    assert dearest_step(early)[0] == 0
    assert dearest_step(late)[0] == CONFIG.steps - 1
    assert dearest_step(early)[1] == dearest_step(late)[1]


@pytest.mark.parametrize("ema_decay", [0.0, 0.999])
def test_what_stays_is_what_a_checkpoint_holds(ema_decay: float) -> None:
    config = replace(CONFIG, ema_decay=ema_decay)
    state = TrainState(config, Engine("cpu", "fp32"))
    train_step(state, Batch(torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48)))
    planned = tensor_bytes(config, method_without_content(MODEL))
    saved = sum(tensor.numel() * tensor.element_size() for tensor in state.tensors().values())
    assert sum(planned.values()) - planned["gradients"] == saved
    assert planned["gradients"] == max(
        sum(p.numel() * p.element_size() for p in network.parameters()) for network in state.networks.values()
    )


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


def test_too_much_memory_is_warned_of(plan: Plan) -> None:
    assert "warning: this device has 1 MiB" in describe(replace(plan, capacity=2**20))


def test_no_time_when_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> float:
        raise torch.OutOfMemoryError("for the test")

    monkeypatch.setattr(trial, "_seconds", out_of_memory)
    plan = plan_of(CONFIG)
    assert plan.seconds_per_step is None
    assert "unknown" in describe(plan)


def test_reduced_precision_keeps_less_but_not_half() -> None:
    plan = plan_of(replace(CONFIG, precision="bf16", batch_size=16))
    full = dearest_step(plan.config)[1].kept_bytes
    assert 0.5 * full < plan.memory["activations"] < full


def test_sizes_to_try_are_legal_and_end_with_the_runs_own() -> None:
    config = replace(presets.munit(), batch_size=4, data=replace(presets.munit().data, size=(256, 384)))
    sizes = list(trial_sizes(config))
    assert sizes[-2:] == [(1, (256, 384)), (4, (256, 384))]
    assert len(sizes) > 2
    assert all(not config.model.problems(size) for _, size in sizes)


def test_measurements_stop_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def slow(_: object, batch: Batch) -> float:
        tried.append(batch.x_a[0].numel())
        return 1e6

    monkeypatch.setattr(trial, "_seconds", slow)
    plan = plan_of(replace(CONFIG, data=replace(CONFIG.data, size=(64, 64))))
    assert tried == [3 * 32 * 32]
    assert plan.seconds_per_step is not None
    assert plan.seconds_per_step > 1e6


def test_time_is_scaled_on_the_line_through_the_last_two() -> None:
    assert extrapolated([Measured(100, 1.0)], 300) == pytest.approx(3.0)
    assert extrapolated([Measured(100, 1.0), Measured(200, 1.5)], 400) == pytest.approx(2.5)
    assert extrapolated([Measured(1, 9.0), Measured(100, 1.0), Measured(200, 1.5)], 400) == pytest.approx(2.5)
    assert extrapolated([Measured(100, 2.0), Measured(200, 1.0)], 400) == pytest.approx(2.0), "noise: in proportion"


def test_kept_bytes_of_reduced_precision() -> None:
    assert Kept().bytes_for(100) == 100
    assert Kept(0.5, 7).bytes_for(100) == 57


def test_pretrained_networks_are_counted_too() -> None:
    config = replace(CONFIG, losses=LossesConfig(face=FaceConfig()))
    state = TrainState(config, Engine("cpu", "fp32"))
    batch = Batch(torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48))
    extra_losses = extra_losses_without_content(config.losses)
    counted = count_step(method_without_content(MODEL), batch_without_content(2, (32, 48)), 0, extra_losses)
    assert counted == count_step(state.method, batch, 0, state.extra_losses)
    assert counted.flops > 4 * dearest_step(CONFIG)[1].flops  # FaceNet sees 160 px, whatever the pictures are
    with FlopCounterMode(display=False) as counter:
        train_step(state, batch, whole_faces(batch))
    assert counter.get_total_flops() == pytest.approx(counted.flops, rel=0.35)  # its own targets need no backward
    assert plan_of(config).memory["pretrained networks"] == pytest.approx(4 * 23_468_336, rel=0.01)
