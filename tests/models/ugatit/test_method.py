from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_networks import UGATIT as TINY

from unpaired.config import OptimizerConfig, RunConfig
from unpaired.layers.share import Share
from unpaired.models.base import DOMAINS, Batch
from unpaired.models.ugatit.config import WeightsConfig
from unpaired.models.ugatit.method import ADVERSARIAL_TERMS, Ugatit
from unpaired.training.engine import Engine
from unpaired.training.state import TrainState
from unpaired.training.step import train_step

GENERATOR_TERMS = {f"{term}_{d}" for term in (*ADVERSARIAL_TERMS, "cycle", "identity", "cam") for d in DOMAINS}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(**changes) -> Ugatit:
    method = Ugatit(replace(TINY, **changes))
    method.initialize(rng())
    return method


def pictures(seed: int = 7) -> Batch:
    draw = rng(seed)
    return Batch(*(torch.rand(2, 3, 32, 32, generator=draw) * 2 - 1 for _ in DOMAINS))


@pytest.fixture
def batch() -> Batch:
    return pictures()


def step_terms(method: Ugatit, batch: Batch, step: int = 0):
    outputs = method.generate(method.generators, batch, Share(rng()), step)
    d_terms = method.discriminator_terms(method.discriminators, outputs.detached(), batch, Share(rng()), step)
    return outputs, d_terms, method.generator_terms(method.discriminators, outputs, batch, Share(rng()), step)


def test_every_term_has_a_weight_and_is_a_finite_scalar(batch):
    method = make()
    _, d_terms, g_terms = step_terms(method, batch)
    assert set(d_terms) == {f"{term}_{d}" for term in ADVERSARIAL_TERMS for d in DOMAINS}
    assert set(g_terms) == GENERATOR_TERMS
    for name, term in (d_terms | g_terms).items():
        assert term.shape == ()
        assert term.isfinite()
        assert name in method.weights(0)


def test_the_weights_are_the_papers():
    weights = make().weights(0)
    assert {weights[f"{term}_a"] for term in ADVERSARIAL_TERMS} == {1.0}
    assert [weights[f"{term}_b"] for term in ("cycle", "identity", "cam")] == [10.0, 10.0, 1000.0]


def test_each_term_is_what_its_name_says(batch):
    """Recomputed from single calls of single networks, in evaluation so that nothing moves."""
    method = make()
    method.generators.eval()
    method.discriminators.eval()
    _, d_terms, g_terms = step_terms(method, batch)
    with torch.no_grad():
        into_a, judge = method.generators.to_a, method.discriminators.local_a
        x_ba, cam_ba = into_a(batch.x_b)
        x_aa, cam_aa = into_a(batch.x_a)
        x_aba, _ = into_a(method.generators.to_b(batch.x_a)[0])
        fake, real = judge(x_ba), judge(batch.x_a)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = {
        "cycle_a": (x_aba - batch.x_a).abs().mean(),
        "identity_a": (x_aa - batch.x_a).abs().mean(),
        "cam_a": bce(cam_ba, torch.ones(2, 2)) + bce(cam_aa, torch.zeros(2, 2)),
        "adversarial_local_a": (fake[""] - 1).square().mean(),
        "adversarial_local_cam_a": (fake["_cam"] - 1).square().mean(),
    }
    for name, value in expected.items():
        assert g_terms[name].item() == pytest.approx(value.item(), rel=1e-4), name
    judged = {
        "adversarial_local_a": (real[""] - 1).square().mean() + fake[""].square().mean(),
        "adversarial_local_cam_a": (real["_cam"] - 1).square().mean() + fake["_cam"].square().mean(),
    }
    for name, value in judged.items():
        assert d_terms[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_the_discriminator_update_sends_no_gradient_into_the_generators(batch):
    method = make()
    _, d_terms, _ = step_terms(method, batch)
    torch.stack(list(d_terms.values())).sum().backward()
    assert all(p.grad is None for p in method.generators.parameters())
    assert all(p.grad is not None for p in method.discriminators.parameters())


def test_the_generators_run_once_a_step(batch):
    """Two calls of each translator: one on both domains' pictures, one on the way back."""
    method = make()
    sizes = []
    for network in (method.generators.to_a, method.generators.to_b):
        network.register_forward_hook(lambda _module, inputs, _outputs: sizes.append(len(inputs[0])))
    step_terms(method, batch)
    assert sorted(sizes) == [2, 2, 4, 4]


@pytest.mark.parametrize(
    ("weights", "missing"),
    [
        ({"cycle": 0.0}, {"cycle"}),
        ({"identity": 0.0, "cam": 0.0}, {"identity", "cam"}),
        ({"identity": 0.0}, set()),
        ({"cam": 0.0}, set()),
    ],
)
def test_terms_without_weight_are_left_out_where_that_saves_a_pass(batch, weights, missing):
    _, _, g_terms = step_terms(make(weights=WeightsConfig(**weights)), batch)
    assert {name.rsplit("_", 1)[0] for name in GENERATOR_TERMS - set(g_terms)} == missing


def test_without_attention_there_are_no_attention_terms(batch):
    method = make(generator=replace(TINY.generator, cam=False), discriminator=replace(TINY.discriminator, cam=False))
    _, d_terms, g_terms = step_terms(method, batch)
    assert not any("cam" in name for name in (*d_terms, *g_terms))


def test_rho_is_clipped_after_an_update():
    method = make(generator=replace(TINY.generator, rho_max=0.9))
    block, up = method.generators.to_a.decoder.res_blocks[0], method.generators.to_b.decoder.up_norms[0]
    with torch.no_grad():
        block.norm1.rho.fill_(1.5)
        up.rho.fill_(1.5)
        block.norm2.rho.fill_(-0.5)
    method.constrain()
    assert block.norm1.rho.unique().item() == pytest.approx(0.9)
    assert up.rho.unique().item() == 1.0  # LIN's range is not narrowed in either code
    assert block.norm2.rho.unique().item() == 0.0


def test_initial_weights():
    method = Ugatit(replace(TINY, generator=replace(TINY.generator, dim=16)))
    method.initialize(rng())
    weight = method.generators.to_a.encoder.res_blocks[0].conv1.conv.weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not torch.equal(weight, method.generators.to_b.encoder.res_blocks[0].conv1.conv.weight)
    assert method.discriminators.global_a.convs[0].sigma.u.norm().item() == pytest.approx(1.0)
    method.config = replace(method.config, initialization="default")
    method.initialize(rng())
    assert weight.abs().max().item() == pytest.approx((1 / (64 * 9)) ** 0.5, rel=0.01)  # kaiming-uniform, a = √5


@pytest.mark.parametrize("layers", ["pytorch", "tensorflow"])
def test_four_steps_are_two_steps_a_resume_and_two_steps(layers):
    config = RunConfig(
        model=replace(TINY, layers=layers),
        optimizer=OptimizerConfig(decay="kernels"),
        device="cpu",
        precision="fp32",
        ema_decay=0.9,
        steps=4,
    )
    straight = TrainState(config, Engine("cpu"))
    for step in range(4):
        train_step(straight, pictures(step))
        if step == 1:
            saved = {name: tensor.clone() for name, tensor in straight.tensors().items()}
    resumed = TrainState(config, Engine("cpu"))
    resumed.load_tensors(saved, 2)
    for step in (2, 3):
        train_step(resumed, pictures(step))
    found, expected = resumed.tensors(), straight.tensors()
    assert any(name.endswith("sigma.u") for name in expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_a_step_with_half_precision_has_finite_terms_close_to_full_precision(batch):
    full = step_terms(make(), batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = step_terms(make(), batch)
    for exact, rough in zip(full[1:], half[1:], strict=True):
        for name, term in exact.items():
            assert rough[name].item() == pytest.approx(term.item(), rel=0.05, abs=0.02), name


def test_sample_grids(batch):
    method = make()
    with torch.no_grad():
        grids = {grid.name: grid for grid in method.sample_grids(method.generators, batch, rng(), num_styles=1)}
    assert set(grids) == {"a2b_translations", "b2a_translations", "a2b_details", "b2a_details"}
    for grid in grids.values():
        assert grid.pictures.shape[1] == len(grid.column_labels)
        assert grid.pictures.abs().max() <= 1 + 1e-6
    details = grids["a2b_details"]
    assert details.column_labels == ("input", "attention", "in b", "cycled back", "identity")
    assert torch.equal(details.pictures[:, 0], batch.x_a)
    with torch.no_grad():
        translated = method.generators.translate(batch.x_a, "b", None)
        assert torch.equal(details.pictures[:, 3], method.generators.translate(translated, "a", None))
        assert torch.equal(details.pictures[:, 4], method.generators.translate(batch.x_a, "a", None))
    assert torch.equal(grids["a2b_translations"].pictures[1], translated)


def test_an_odd_number_of_pictures_leaves_white_cells():
    method = make()
    draw = rng(3)
    many = Batch(*(torch.rand(9, 3, 16, 16, generator=draw) for _ in DOMAINS))
    with torch.no_grad():
        grid = method.sample_grids(method.generators, many, rng(), num_styles=1)[0]
    assert grid.pictures.shape == (4, 8, 3, 16, 16)
    assert torch.equal(grid.pictures[2, 0], many.x_a[8])
    assert (grid.pictures[2:, 1:] == 1).all()
