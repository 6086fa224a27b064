from dataclasses import replace

import pytest
import torch
from tiny_networks import MUNIT as TINY

from unpaired.layers.share import Share
from unpaired.models.base import DOMAINS, Batch
from unpaired.models.munit.config import DiscriminatorConfig, MixupConfig, MunitConfig, WeightsConfig
from unpaired.models.munit.method import Munit


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(**changes) -> Munit:
    method = Munit(replace(TINY, **changes))
    method.initialize(rng())
    return method


@pytest.fixture
def batch() -> Batch:
    draw = rng(7)
    return Batch(*(torch.rand(2, 3, 32, 32, generator=draw) * 2 - 1 for _ in DOMAINS))


def step_terms(method: Munit, batch: Batch, step: int = 0, seed: int = 1):
    outputs = method.generate(method.generators, batch, Share(rng(seed)), step)
    d_terms = method.discriminator_terms(method.discriminators, outputs.detached(), batch, Share(rng(seed)), step)
    return outputs, d_terms, method.generator_terms(method.discriminators, outputs, batch, Share(rng()), step)


def test_every_term_has_a_weight_and_is_a_finite_scalar(batch):
    method = make(weights=WeightsConfig(cycle=1.0))
    _, d_terms, g_terms = step_terms(method, batch)
    assert set(d_terms) == {"adversarial_a", "adversarial_b"}
    assert set(g_terms) == {f"{t}_{d}" for t in ("adversarial", "image", "style", "content", "cycle") for d in DOMAINS}
    for name, term in (d_terms | g_terms).items():
        assert term.shape == ()
        assert term.isfinite()
        assert name in method.weights(0)


def test_the_cycle_is_only_computed_while_its_weight_is_positive(batch):
    method = make(weights=WeightsConfig(cycle=((10, 1.0), (20, 0.0))))
    for step, expected in ((9, False), (10, True), (19, True), (20, False)):
        outputs, _, g_terms = step_terms(method, batch, step)
        assert (outputs.ways["a"].cycle is not None) is expected
        assert ("cycle_a" in g_terms) is expected


def test_weights_change_at_their_step():
    method = make(weights=WeightsConfig(cycle=((0, 1.0), (80_000, 0.3))))
    assert method.weights(79_999)["cycle_a"] == 1.0
    assert method.weights(80_000)["cycle_b"] == 0.3


def test_the_discriminator_update_sends_no_gradient_into_the_generators(batch):
    method = make()
    _, d_terms, _ = step_terms(method, batch)
    torch.stack(list(d_terms.values())).sum().backward()
    assert all(p.grad is None for p in method.generators.parameters())
    assert all(p.grad is not None for p in method.discriminators.parameters())


def test_content_target_gets_a_gradient_unless_detached(batch):
    gradients = {}
    for detached in (False, True):
        method = make(detach_content_target=detached)
        outputs, _, g_terms = step_terms(method, batch)
        outputs.ways["a"].content.retain_grad()
        g_terms["content_a"].backward()
        gradients[detached] = outputs.ways["a"].content.grad
    assert not torch.allclose(gradients[False], gradients[True])


@pytest.mark.parametrize("kind", ["lsgan", "nsgan", "hinge"])
def test_mixup_ends_at_its_step(batch, kind):
    with_mixup = make(mixup=MixupConfig(end_step=5), adversarial=kind)
    without = make(adversarial=kind)
    assert step_terms(with_mixup, batch, step=4)[1] != step_terms(without, batch, step=4)[1]
    assert step_terms(with_mixup, batch, step=5)[1] == step_terms(without, batch, step=5)[1]


def test_mixup_changes_the_discriminator_update_only(batch):
    with_mixup, without = make(mixup=MixupConfig()), make()
    assert step_terms(with_mixup, batch)[2] == step_terms(without, batch)[2]


def test_mixup_with_half_and_half_asks_for_one_half(batch):
    """With an enormous alpha the share is 1/2: a discriminator that always says 1/2 has nothing to learn."""
    method = make(mixup=MixupConfig(alpha=1e9))
    for d in DOMAINS:
        for scale in getattr(method.discriminators, d).scales:
            torch.nn.init.zeros_(scale[-1].weight)
            torch.nn.init.constant_(scale[-1].bias, 0.5)
    _, d_terms, _ = step_terms(method, batch)
    assert all(term.item() == pytest.approx(0, abs=1e-6) for term in d_terms.values())


def test_everything_random_is_a_function_of_the_generator(batch):
    method = make(mixup=MixupConfig())
    first, again, other = (step_terms(method, batch, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first[0].ways["a"].translated, again[0].ways["a"].translated)
    assert first[1] == again[1]
    assert not torch.equal(first[0].ways["a"].translated, other[0].ways["a"].translated)


def test_initial_weights_are_kaiming_for_generators_and_small_gaussian_for_discriminators():
    method = Munit(MunitConfig(generator=replace(TINY.generator, dim=16), discriminator=DiscriminatorConfig(dim=16)))
    method.initialize(rng())
    conv = method.generators.a.content_encoder.layers[1].conv.weight
    assert conv.std().item() == pytest.approx((2 / (16 * 16)) ** 0.5, rel=0.05)
    assert method.discriminators.a.scales[0][1].conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not torch.equal(method.generators.a.mlp[0].weight, method.generators.b.mlp[0].weight)


def test_sample_grids_have_labels_and_the_same_styles_for_the_same_generator(batch):
    method = make()
    with torch.no_grad():
        first, again = (method.sample_grids(method.generators, batch, rng(3), num_styles=4) for _ in range(2))
    assert {grid.name for grid in first} == {
        "a2b_random_styles", "a2b_example_styles", "a_reconstruction_cycle",
        "b2a_random_styles", "b2a_example_styles", "b_reconstruction_cycle",
    }  # fmt: skip
    for grid, same in zip(first, again, strict=True):
        assert grid.pictures.shape[1] == len(grid.column_labels)
        assert torch.equal(grid.pictures, same.pictures)
    by_name = {grid.name: grid.pictures for grid in first}
    assert by_name["a2b_random_styles"].shape == (2, 5, 3, 32, 32)
    assert torch.equal(by_name["a2b_random_styles"][:, 0], batch.x_a)
    assert torch.equal(by_name["a2b_example_styles"][0, 1:], batch.x_b)


def test_hinge_and_lsgan_differ(batch):
    assert step_terms(make(adversarial="hinge"), batch)[1] != step_terms(make(), batch)[1]


def test_what_is_off_by_default_adds_no_term_and_no_work(batch):
    outputs, d_terms, g_terms = step_terms(make(), batch)
    assert outputs.ways["a"].translated_again is None
    assert not {
        name for name in d_terms | g_terms if name.startswith(("style_prior", "mode_seeking", "contrast", "r1"))
    }


@pytest.mark.parametrize(("term", "where"), [("style_prior", 2), ("mode_seeking", 2), ("contrast", 2), ("r1", 1)])
def test_each_added_term_is_there_for_both_domains_while_its_weight_is_positive(batch, term, where):
    method = make(weights=WeightsConfig(**{term: ((16, 0.5), (32, 0.0))}))
    for step, expected in ((0, set()), (16, {f"{term}_a", f"{term}_b"}), (32, set())):
        terms = step_terms(method, batch, step)[where]
        assert {name for name in terms if name.startswith(term)} == expected
        assert all(terms[name].isfinite() and terms[name] > 0 for name in expected)
    assert method.weights(16)[f"{term}_a"] == (0.5 * 16 if term == "r1" else 0.5)


def test_r1_is_due_every_so_many_steps(batch):
    method = make(weights=WeightsConfig(r1=1.0), r1_every_steps=3)
    assert ["r1_a" in step_terms(method, batch, step)[1] for step in range(4)] == [True, False, False, True]


@pytest.mark.parametrize("norm", ["none", "instance", "layer", "batch", "group", "spectral"])
def test_r1_moves_the_discriminators_with_every_norm(batch, norm):
    discriminator = DiscriminatorConfig(dim=8, num_layers=2, num_scales=1, norm=norm)
    method = make(weights=WeightsConfig(r1=1.0), discriminator=discriminator)
    step_terms(method, batch)[1]["r1_a"].backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in method.discriminators.a.parameters())
    assert batch.x_a.grad is None


def test_augmentation_changes_what_discriminators_see_in_both_updates_and_nothing_else(batch):
    plain, augmented = make(), make(augment=("color", "translation", "cutout"))
    (first, d_plain, g_plain), (second, d_augmented, g_augmented) = (step_terms(m, batch) for m in (plain, augmented))
    assert torch.equal(first.ways["a"].translated, second.ways["a"].translated)
    assert d_plain["adversarial_b"] != d_augmented["adversarial_b"]
    assert {name for name in g_plain if g_plain[name] != g_augmented[name]} == {"adversarial_a", "adversarial_b"}


def test_centered_scales_start_around_one_and_everything_else_as_it_was():
    """With two residual blocks, whose parameters alternate between biases and scales."""
    generator = replace(TINY.generator, num_res_blocks=2, mlp_dim=64)
    plain, centered = (make(generator=generator, center_adain=on).generators.b for on in (False, True))
    styles = torch.randn(500, 2, generator=rng(1))
    with torch.no_grad():
        before, after = (part.mlp(styles).unflatten(1, (4, 2, -1)) for part in (plain, centered))
    torch.testing.assert_close(after[:, :, 0], before[:, :, 0] / 2)
    torch.testing.assert_close(after[:, :, 1], before[:, :, 1] / 2 + 1)
    changed = {
        name for name, value in plain.state_dict().items() if not torch.equal(value, centered.state_dict()[name])
    }
    assert changed == {"mlp.4.weight", "mlp.4.bias"}


def test_mode_seeking_decodes_the_same_content_with_other_styles(batch):
    method = make(weights=WeightsConfig(mode_seeking=1.0))
    outputs, _, _ = step_terms(method, batch)
    again = method.generators.b.decode(outputs.ways["a"].content, outputs.ways["a"].prior_style_again)
    torch.testing.assert_close(
        outputs.ways["a"].translated_again, again, atol=1e-5, rtol=0
    )  # there in a batch with others: it may round
    assert not torch.equal(outputs.ways["a"].prior_style, outputs.ways["a"].prior_style_again)
