import math
from dataclasses import replace
from itertools import product

import pytest
import shared_steps
import torch

from unpaired.data.faces import FaceBoxes
from unpaired.faces import embedder
from unpaired.layers.at_once import set_at_once
from unpaired.layers.thin import thin_gradients
from unpaired.models.base import Batch
from unpaired.models.munit import config as munit_config
from unpaired.models.munit.config import WeightsConfig
from unpaired.models.ugatit import config as ugatit_config
from unpaired.models.ugatit.config import DiscriminatorConfig, GeneratorConfig, UgatitConfig
from unpaired.training import step as step_module
from unpaired.training.engine import Engine
from unpaired.training.face_loss import Faces
from unpaired.training.state import TrainState, rng_for
from unpaired.training.step import NonFiniteError, gradient_norm, train_step


@pytest.fixture
def batch() -> Batch:
    return Batch(*(torch.rand(2, 3, 16, 16, generator=rng_for(d)) * 2 - 1 for d in "ab"))


def copied(state: TrainState) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in state.tensors().items()}


def test_a_step_moves_every_part_and_counts(config, batch):
    state = TrainState(config, Engine("cpu"))
    before = copied(state)
    values = train_step(state, batch)
    assert state.step == 1
    after = state.tensors()
    for part in ("generators.a.mlp", "generators.b.style_encoder", "discriminators.a", "discriminators.b", "ema.a"):
        assert any(not torch.equal(after[name], before[name]) for name in before if name.startswith(part)), part
    assert {"loss_generator", "loss_discriminator", "generator/image_a", "grad_norm_generator"} <= values.keys()


def test_totals_are_the_weighted_sums_of_the_terms(changed, config, batch):
    weights = WeightsConfig(adversarial=0.5, image=3.0, style=2.0, content=0.25, cycle=4.0)
    state = TrainState(changed(model=replace(config.model, weights=weights)), Engine("cpu"))
    values = train_step(state, batch)
    by_term = {"adversarial": 0.5, "image": 3.0, "style": 2.0, "content": 0.25, "cycle": 4.0}
    total = sum(w * values[f"generator/{term}_{d}"] for term, w in by_term.items() for d in "ab")
    assert values["loss_generator"] == pytest.approx(total, rel=1e-5)
    d_total = 0.5 * sum(values[f"discriminator/adversarial_{d}"] for d in "ab")
    assert values["loss_discriminator"] == pytest.approx(d_total, rel=1e-5)


@pytest.mark.parametrize(
    ("poisoned", "named"),
    [("discriminators", "discriminator/adversarial_a"), ("generators", "generator/image_a")],
)
def test_a_non_finite_term_is_named_and_its_networks_stay_as_they_were(config, batch, poisoned, named):
    state = TrainState(config, Engine("cpu"))
    network = state.method.discriminators.a if poisoned == "discriminators" else state.method.generators.a.style_encoder
    with torch.no_grad():
        next(network.parameters())[0].fill_(math.nan)
    before = copied(state)
    with pytest.raises(NonFiniteError, match=named) as error:
        train_step(state, batch)
    assert "Step 0" in str(error.value)
    assert state.step == 0
    unchanged = [name for name in before if name.startswith((f"{poisoned}.", "ema."))]
    assert all(torch.equal(state.tensors()[name], before[name]) for name in unchanged if "style_encoder" not in name
               and "discriminators.a" not in name)  # fmt: skip


@pytest.mark.usefixtures("two_threads")
def test_the_same_bits_every_time_though_threads_race(config, batch):
    found = []
    for _ in range(3):
        state = TrainState(config, Engine("cpu"))
        train_step(state, batch)
        found.append(copied(state))
    assert all(torch.equal(tensor, other[name]) for other in found[1:] for name, tensor in found[0].items())


def test_a_gradient_that_is_not_finite_stops_before_the_optimizer(config, batch):
    state = TrainState(config, Engine("cpu"))
    parameter = next(state.method.discriminators.parameters())
    parameter.register_hook(lambda gradient: gradient * math.inf)
    before = copied(state)
    with pytest.raises(NonFiniteError, match="gradient of loss_discriminator"):
        train_step(state, batch)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


def test_discriminators_get_no_gradient_from_the_generator_update(config, batch):
    state = TrainState(config, Engine("cpu"))
    train_step(state, batch)
    assert not any(p.requires_grad for p in state.method.discriminators.parameters())
    assert all(p.grad is None for p in state.method.discriminators.parameters())


def test_the_noise_of_a_step_depends_on_the_step_and_not_on_what_was_drawn_before(config, batch):
    first, second = (TrainState(config, Engine("cpu")) for _ in range(2))
    torch.rand(100)  # the global generator plays no part
    assert train_step(first, batch) == train_step(second, batch)
    assert train_step(first, batch) != train_step(TrainState(config, Engine("cpu")), batch)


def test_bf16_trains_with_float32_weights(config, batch):
    state = TrainState(config, Engine("cpu", "bf16"))
    values = train_step(state, batch)
    reference = train_step(TrainState(config, Engine("cpu")), batch)
    assert all(p.dtype == torch.float32 for p in state.method.generators.parameters())
    assert values["loss_generator"] == pytest.approx(reference["loss_generator"], rel=0.03)
    assert values["loss_generator"] != reference["loss_generator"]


BATCH_NORM = replace(
    shared_steps.MUNIT,
    generator=replace(shared_steps.MUNIT.generator, content_norm="batch", upsample_norm="batch"),
    discriminator=replace(shared_steps.MUNIT.discriminator, norm="batch"),
)


NO_ATTENTION = replace(
    shared_steps.UGATIT_LIGHT,
    generator=replace(shared_steps.UGATIT_LIGHT.generator, cam=False),
    weights=ugatit_config.WeightsConfig(identity=0.0, cam=0.0),
)
UGATITS = (shared_steps.UGATIT_LIGHT, shared_steps.UGATIT_FULL, NO_ATTENTION)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("model", "precision"),
    [
        *product((shared_steps.EVERY_TERM, *UGATITS), ("fp32", "bf16")),
        (replace(BATCH_NORM, mixup=munit_config.MixupConfig()), "fp32"),  # in bf16 it enlarges rounding
    ],
)
def test_both_directions_at_once_make_the_step_of_one_after_the_other(model, precision):
    batch = Batch(*(shared_steps.pictures(d, 0) for d in "ab"))
    found = []
    for at_once in (True, False):
        state = TrainState(shared_steps.case(model, precision=precision), Engine("cpu", precision))
        for network in state.networks.values():
            set_at_once(network, at_once)
        values = train_step(state, batch)
        gradients = [p.grad for p in state.method.generators.parameters() if p.grad is not None]
        found.append((values, torch.cat([gradient.flatten() for gradient in gradients])))
    (values, gradient), (expected_values, expected) = found
    near = 1e-5 if precision == "fp32" else 1e-2
    assert values == pytest.approx(expected_values, rel=near)
    assert (gradient - expected).norm() < near * expected.norm()


@pytest.mark.parametrize(
    "config",
    [
        *shared_steps.CASES.values(),
        shared_steps.case(BATCH_NORM),
        shared_steps.case(shared_steps.OTHER_NORMS),
        shared_steps.case(shared_steps.UGATIT_LIGHT, precision="bf16"),
    ],
    ids=[*shared_steps.CASES, "munit with batch norm", "munit with spectral and group norm", "ugatit in bf16"],
)
def test_recomputing_changes_no_bit(config, monkeypatch):
    """Of the numbers of each step, the weights, the moments of their gradients, and the statistics of norms."""
    monkeypatch.setattr(embedder, "load_embedder", shared_steps.load_bricks)
    (values, tensors), (again_values, again) = (
        shared_steps.steps(replace(config, recompute=on), Engine("cpu")) for on in (False, True)
    )
    assert again_values == values
    for step, (found, expected) in enumerate(zip(again, tensors, strict=True)):
        assert [name for name in expected if not torch.equal(found[name], expected[name])] == [], f"after {step} steps"


ONE_AFTER_THE_OTHER = {  # norms that count their passes would see them in another order
    **{name: c for name, c in shared_steps.CASES.items() if c.precision == "fp32" and not c.saves_memory},
    "no attention": shared_steps.case(NO_ATTENTION),
}


@pytest.mark.parametrize("config", ONE_AFTER_THE_OTHER.values(), ids=ONE_AFTER_THE_OTHER)
def test_one_direction_after_the_other_makes_the_step_of_both_together(config, monkeypatch):
    """All numbers, those of the log among them, and all gradients, with the same random numbers."""
    monkeypatch.setattr(embedder, "load_embedder", shared_steps.load_bricks)
    batch = Batch(*(shared_steps.pictures(d, 0) for d in "ab"))
    boxes = FaceBoxes(torch.tensor([[0.0, 0.0, 32.0, 32.0]] * len(batch.x_a)), torch.arange(len(batch.x_a)) < 3)
    found = []
    for less_memory in (True, False):
        state = TrainState(replace(config, less_memory=less_memory), Engine("cpu"))
        values = train_step(state, batch, Faces(boxes, boxes))
        thin = state.optimizers["generators"].thin
        gradients = [thin[p].dense(p) if p in thin else p.grad for p in state.method.generators.parameters()]
        moments = [moment["exp_avg"] for moment in state.optimizers["discriminators"].state.values()]
        both = (torch.cat([t.flatten() for t in each if t is not None]) for each in (gradients, moments))
        found.append((values, *both))
    (values, *tensors), (expected_values, *expected) = found
    assert values == pytest.approx(expected_values, rel=1e-5)
    for tensor, like in zip(tensors, expected, strict=True):
        assert (tensor - like).norm() < 1e-5 * like.norm()


@pytest.mark.parametrize(
    ("changes", "side", "times"),
    [
        ({}, 256, 2),
        ({}, 128, 0),
        ({"precision": "bf16"}, 256, 0),  # half the bytes
        ({"recompute": True}, 16, 2),
        ({"less_memory": True}, 16, 4),  # in two passes
    ],
)
def test_free_memory_goes_back_where_maps_are_large_or_little_memory_is_asked_for(
    changed, monkeypatch, changes, side, times
):
    returned = []
    monkeypatch.setattr(step_module, "give_back_free_memory", lambda: returned.append(side))
    state = TrainState(changed(**changes), Engine("cpu", changes.get("precision", "fp32")))
    train_step(state, Batch(*(torch.rand(1, 3, side, side) * 2 - 1 for _ in "ab")))
    assert len(returned) == times


def test_gradient_norm_is_the_length_of_all_gradients_together():
    parameters = [
        torch.nn.Parameter(torch.zeros(2)),
        torch.nn.Parameter(torch.zeros(1)),
        torch.nn.Parameter(torch.zeros(1)),
    ]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert gradient_norm(parameters) == pytest.approx(5.0)


def test_gradients_that_stay_thin_make_the_updates_of_whole_ones(config, monkeypatch):
    """U-GAT-IT with layers wide enough: of both discriminators the last ones, and the full model's perceptron."""
    discriminator = DiscriminatorConfig(dim=16, num_layers_global=5, num_layers_local=4)
    generator = GeneratorConfig(dim=4, num_res_blocks=1, size=(32, 32))
    model = UgatitConfig(generator=generator, discriminator=discriminator)
    ugatit = replace(config, model=model, batch_size=1)
    pictures = Batch(*(torch.rand(1, 3, 32, 32, generator=rng_for(d)) * 2 - 1 for d in "ab"))

    def two_steps(on):
        monkeypatch.setattr(step_module, "thin_gradients", lambda found, **_: thin_gradients(found, on=on))
        state = TrainState(ugatit, Engine("cpu"))
        values = [train_step(state, pictures) for _ in range(2)]
        return values, copied(state), state.optimizers["generators"].thin

    values, tensors, thin = two_steps(on=True)
    whole_values, whole_tensors, nothing = two_steps(on=False)
    assert len(thin) == 2
    assert nothing == {}
    for found, expected in zip(values, whole_values, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(tensors, whole_tensors, rtol=1e-3, atol=1e-5)
