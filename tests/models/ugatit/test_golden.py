"""Parity with the official PyTorch code of U-GAT-IT: pictures, attention, discriminators, losses and gradients."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import leaky_relu

from unpaired.layers import convolution
from unpaired.layers.pending import Pending
from unpaired.layers.share import Share
from unpaired.models.base import DOMAINS, Batch
from unpaired.models.ugatit.discriminators import LEAK, Discriminator
from unpaired.models.ugatit.importer import GENERATORS, generator_names, import_checkpoint
from unpaired.models.ugatit.method import Ugatit

GOLDEN = Path(__file__).parents[2] / "golden" / "ugatit"
CASES = ["light_small", "full_small"]
# Units of the translator into a, while it translates x_ab back, that rounding decides: norm, position, the side that
# the reference's float32 fell on. In float64 they are 1e-6 to 5e-6 on the other side of zero.
REFERENCES_SIDE = (
    ("up_norms.0", (0, 0, 34, 63), -1),
    ("up_norms.0", (1, 0, 51, 9), 1),
    ("up_norms.1", (1, 0, 115, 127), -1),
)
# Scores divided by a σ of 0.001 that is a sum of terms of size 1: its fifth digit depends on the order of summation.
ILL_CONDITIONED = {"light_small": ("disGA_real_logit", "disGA_real_cam", "disGA_real_heatmap"), "full_small": ()}


class Case:
    """A golden case: the imported networks in evaluation mode, and what they make of the golden pictures."""

    def __init__(self, name: str, dtype: torch.dtype, take_the_references_side: bool) -> None:
        folder = GOLDEN / name
        imported = import_checkpoint(folder / f"{name}_params_0000000.pt", config=None, discriminators=None)
        inputs = load_file(folder / "inputs.safetensors")
        self.expected = load_file(folder / "expected.safetensors")
        self.batch = Batch(inputs["real_A"].to(dtype), inputs["real_B"].to(dtype))
        self.method = Ugatit(imported.config)
        self.method.generators.load_state_dict(imported.generators)
        assert imported.discriminators is not None
        self.method.discriminators.load_state_dict(imported.discriminators)
        for network in (self.method.generators, self.method.discriminators):
            network.eval().to(dtype)
        if take_the_references_side:
            nudge_to_the_references_side(self.method)
        self.losses, self.found = self._losses()
        self.found |= self._heat_maps() | self._discriminators()

    def _losses(self) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Back-propagates the sum of all terms without discriminators, weighted as in training."""
        share = Share(torch.Generator())
        outputs = self.method.generate(self.method.generators, self.batch, share, 0)
        terms = self.method.generator_terms(
            self.method.discriminators, outputs, self.batch, Share(torch.Generator()), 0
        )
        weights = self.method.weights(0)
        total = sum(weights[name] * term for name, term in terms.items() if not name.startswith("adversarial"))
        total.backward()
        losses = {
            f"loss_{kind}_{d.upper()}": terms[f"{kind}_{d}"].item()
            for kind in ("cycle", "identity", "cam")
            for d in DOMAINS
        }
        losses["loss_without_adversarial"] = total.item()
        pictures = {"fake_A2B": outputs.ways["a"].translated, "fake_B2A": outputs.ways["b"].translated}
        pictures |= {"cam_logit_A2B": outputs.ways["a"].logits, "cam_logit_B2A": outputs.ways["b"].logits}
        return losses, {name: tensor.detach() for name, tensor in pictures.items()}

    @torch.no_grad()
    def _heat_maps(self) -> dict[str, Tensor]:
        generators = self.method.generators
        return {
            "heatmap_A2B": generators.attention(self.batch.x_a, "b"),
            "heatmap_B2A": generators.attention(self.batch.x_b, "a"),
        }

    @torch.no_grad()
    def _discriminators(self) -> dict[str, Tensor]:
        networks = self.method.discriminators.of("a")
        found = {}
        for theirs, network in (("disGA", networks["global"]), ("disLA", networks["local"])):
            scores, heat_map = scores_and_heat_map(network, self.batch.x_a)
            found |= {f"{theirs}_real_logit": scores[""], f"{theirs}_real_cam": scores["_cam"]}
            found[f"{theirs}_real_heatmap"] = heat_map
        return found

    def gradients(self) -> dict[str, Tensor]:
        """Gradients of the weighted sum by the PyTorch code's names, in its shapes."""
        names = generator_names(self.method.config.generator)
        return {
            f"grad.{theirs}.{names[key]}": parameter.grad
            for ours, theirs in GENERATORS.items()
            for key, parameter in getattr(self.method.generators, ours).named_parameters()
        }


def scores_and_heat_map(network: Discriminator, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """What `network` says of `x`, and the heat-map that the PyTorch code returns beside it."""
    attended: list[Tensor] = []
    hook = network.attention.register_forward_hook(lambda _module, _inputs, outputs: attended.append(outputs[0]))
    scores = network(x)
    hook.remove()
    return scores, leaky_relu(attended[0], LEAK).sum(dim=1, keepdim=True)


def nudge_to_the_references_side(method: Ugatit) -> None:
    """Move the three ReLU units of `light_small` that rounding decides by 1e-5, to the side that the reference took.

    A unit's gradient is on or off accordingly, which moves the gradients before it by up to 0.5 %: in float64 the
    reference's own networks differ by as much from the golden numbers, and by 2e-8 from ours.
    """
    for norm, (sample, channel, y, x), side in REFERENCES_SIDE:

        def move(_module, _inputs, pending: Pending, at=(sample, channel, y, x), side=side) -> Pending:
            if len(pending.raw) != 2:  # x_b and x_a in one call: not the way back
                return pending
            nudge = torch.zeros_like(pending.raw)
            nudge[at] = side * 1e-5 / pending.gain[at[0], at[1], 0, 0].item()
            return replace(pending, raw=pending.raw + nudge)

        method.generators.to_a.decoder.get_submodule(norm).register_forward_hook(move)


def common_factor(found: Tensor, expected: Tensor) -> float:
    """The number by which `expected` is nearest to `found`, in the least squares."""
    return float(torch.sum(found * expected.view_as(found)) / expected.square().sum())


def sigma_rounding(network: Discriminator) -> float:
    """What float32 may do to the scores of `network` through its σ alone, relative to their size.

    σ = uᵀWv; its rounding error is up to half an ulp of Σ|u||W||v| by an operation, and scores are divided by every σ.
    """
    error = 0.0
    for conv in [*network.convs, network.head]:
        matrix, norm = conv.conv.conv.weight.detach().flatten(1), conv.sigma
        terms = float(norm.u.abs() @ matrix.abs() @ norm.v.abs())
        error += torch.finfo(torch.float32).eps / 2 * terms / abs(float(norm.u @ matrix @ norm.v))
    return error


@cache
def case(
    name: str, dtype: torch.dtype = torch.float32, *, take_the_references_side: bool = False, filtered: bool = False
) -> Case:
    """`filtered`: by `layers.winograd` wherever it can be used, though it pays nowhere in networks this small."""
    with pytest.MonkeyPatch.context() as patch:
        if filtered:
            patch.setattr(convolution, "winograd_pays", lambda *_: True)
            patch.setitem(convolution._TILES, torch.float64, convolution._TILES[torch.float32])
        return Case(name, dtype, take_the_references_side)


def case_for_gradients(name: str, filtered: bool = False) -> Case:
    """In float64 where rounding would decide a unit, and with those units that the reference's rounding decided.

    Filtering rounds otherwise on another processor, so that a unit may fall on the other side there.
    """
    dtype = torch.float64 if filtered or name == "light_small" else torch.float32
    return case(name, dtype, take_the_references_side=name == "light_small", filtered=filtered)


def difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest expected value. Shapes may differ in dimensions of size 1."""
    assert [n for n in found.shape if n != 1] == [n for n in expected.shape if n != 1]
    return float((found.flatten() - expected.flatten()).abs().max() / expected.abs().max().clamp_min(1e-12))


both_ways = pytest.mark.parametrize("filtered", [False, True], ids=["plain", "filtered"])


@pytest.mark.parametrize("name", CASES)
def test_filtering_rounds_otherwise(name):
    """So it was used."""
    assert not torch.equal(case(name).found["fake_A2B"], case(name, filtered=True).found["fake_A2B"])


@both_ways
@pytest.mark.parametrize("name", CASES)
def test_pictures_attention_and_scores_agree(name, filtered):
    golden = case(name, filtered=filtered)
    expected = {key for key in golden.expected if not key.startswith(("loss", "grad."))}
    assert expected == set(golden.found)
    for key, found in golden.found.items():
        factor = common_factor(found, golden.expected[key]) if key in ILL_CONDITIONED[name] else 1.0
        assert abs(factor - 1) < sigma_rounding(golden.method.discriminators.global_a), key
        assert difference(found / factor, golden.expected[key]) < 1e-5, key


def test_float64_and_the_golden_scores_differ_by_as_much_where_sigma_is_badly_conditioned():
    """So the factor above is not ours to mend: without rounding it is 1e-5 from the golden numbers."""
    exact, golden = case("light_small", torch.float64), case("light_small")
    for key in ILL_CONDITIONED["light_small"]:
        assert 5e-6 < abs(common_factor(exact.found[key], golden.expected[key].double()) - 1) < 2e-5, key


@both_ways
@pytest.mark.parametrize("name", CASES)
def test_every_loss_agrees(name, filtered):
    golden = case(name, filtered=filtered)
    assert {key for key in golden.expected if key.startswith("loss")} == set(golden.losses)
    for key, found in golden.losses.items():
        assert found == pytest.approx(float(golden.expected[key]), rel=1e-5), key


@both_ways
@pytest.mark.parametrize("name", CASES)
def test_gradients_of_both_generators_agree(name, filtered):
    golden = case_for_gradients(name, filtered)
    gradients = golden.gradients()
    expected = {key for key in golden.expected if key.startswith("grad.")}
    assert expected <= set(gradients)
    for key in expected:
        assert difference(gradients[key], golden.expected[key]) < 1e-4, key


def test_the_units_that_rounding_decides_make_a_small_difference_and_are_needed():
    expected = case("light_small").expected
    gradients = case("light_small", torch.float64).gradients()
    worst = max(difference(gradients[key], expected[key]) for key in expected if key.startswith("grad."))
    assert 1e-4 < worst < 1e-2


def parity_table() -> str:
    """case × quantity × largest relative difference, as a Markdown table."""
    rows = ["| case | quantity | largest relative difference |", "|---|---|---|"]
    for name in CASES:
        golden = case(name)
        for key, found in sorted(golden.found.items()):
            rows.append(f"| {name} | {key} | {difference(found, golden.expected[key]):.1e} |")
        for key, loss in sorted(golden.losses.items()):
            rows.append(f"| {name} | {key} | {abs(loss / float(golden.expected[key]) - 1):.1e} |")
        gradients = case_for_gradients(name).gradients()
        keys = [key for key in golden.expected if key.startswith("grad.")]
        worst = max(difference(gradients[key], golden.expected[key]) for key in keys)
        rows.append(f"| {name} | gradients of both generators ({len(keys)} tensors) | {worst:.1e} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(parity_table())
