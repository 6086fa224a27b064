from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_networks import UGATIT as TINY
from tiny_networks import num_parameters

from unpaired.models.ugatit.config import GeneratorConfig, UgatitConfig
from unpaired.models.ugatit.method import Ugatit
from unpaired.models.ugatit.networks import UgatitGenerators


def generators(**changes) -> UgatitGenerators:
    torch.manual_seed(0)
    return UgatitGenerators(replace(TINY, generator=replace(TINY.generator, **changes)))


@pytest.mark.parametrize(
    ("layers", "light", "expected"),
    [
        ("pytorch", False, 278_959_808),
        ("pytorch", True, 10_589_888),
        ("tensorflow", False, 278_970_308),
        ("tensorflow", True, 10_600_388),
    ],
)
def test_generators_have_as_many_parameters_as_the_official_ones(layers, light, expected):
    config = UgatitConfig(layers=layers, generator=GeneratorConfig(light=light)).at_size((256, 256))
    with torch.device("meta"):
        assert num_parameters(Ugatit(config).generators.to_a) == expected


@pytest.mark.parametrize("size", [(16, 16), (20, 36), (64, 48)])
def test_the_light_model_takes_any_multiple_of_four(size):
    networks = generators()
    x = torch.rand(2, 3, *size) * 2 - 1
    picture, logits = networks.to_b(x)
    assert picture.shape == x.shape
    assert picture.abs().max() <= 1
    assert logits.shape == (2, 2)
    assert networks.attention(x, "a").shape == (2, 1, size[0] // 4, size[1] // 4)
    assert networks.attention(x, "a").min() >= 0


def test_the_full_model_takes_its_own_size_alone():
    networks = generators(light=False, size=(32, 24))
    assert networks.fixed_size == (32, 24)
    assert networks.translate(torch.zeros(1, 3, 32, 24), "b", None).shape == (1, 3, 32, 24)
    with pytest.raises(RuntimeError, match="shapes"):
        networks.translate(torch.zeros(1, 3, 32, 32), "b", None)


@pytest.mark.parametrize("norm", ["adalin", "adain", "instance", "layer", "group"])
@pytest.mark.parametrize("cam", [True, False])
@pytest.mark.parametrize("layers", ["pytorch", "tensorflow"])
def test_every_ablation_translates_and_all_its_parameters_get_a_gradient(norm, cam, layers):
    torch.manual_seed(0)
    config = replace(TINY, layers=layers, generator=replace(TINY.generator, norm=norm, cam=cam))
    networks = UgatitGenerators(config)
    ways = networks({d: torch.rand(1, 3, 24, 24) * 2 - 1 for d in "ab"}, True, True).ways
    total = sum(t.square().sum() for way in ways.values() for t in vars(way).values() if t is not None)
    total.backward()
    assert [name for name, parameter in networks.named_parameters() if parameter.grad is None] == []
    assert networks.has_attention is (ways["a"].logits is not None) is cam


def test_norms_without_gamma_and_beta_tie_the_full_model_to_no_size():
    networks = generators(light=False, size=(32, 32), norm="group")
    assert networks.fixed_size is None
    assert networks.translate(torch.zeros(1, 3, 20, 24), "a", None).shape == (1, 3, 20, 24)


def test_pictures_translated_together_come_out_as_alone():
    networks = generators().eval()
    x_a, x_b = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1
    ways = networks({"a": x_a, "b": x_b}, True, True).ways
    with torch.no_grad():
        alone = {
            "a to b": (ways["a"].translated, networks.translate(x_a, "b", None)),
            "b to a": (ways["b"].translated, networks.translate(x_b, "a", None)),
            "a to a": (ways["a"].own, networks.translate(x_a, "a", None)),
            "b to b": (ways["b"].own, networks.translate(x_b, "b", None)),
            "a and back": (ways["a"].cycle, networks.translate(ways["a"].translated, "a", None)),
            "b and back": (ways["b"].cycle, networks.translate(ways["b"].translated, "b", None)),
            "logits": (ways["b"].own_logits, networks.to_b(x_b)[1]),
        }
    for name, (found, expected) in alone.items():
        assert torch.allclose(found, expected, atol=1e-5), name


def test_what_no_term_needs_is_not_computed():
    outputs = generators()({d: torch.zeros(1, 3, 16, 16) for d in "ab"}, False, False)
    for way in outputs.ways.values():
        assert way.cycle is way.own is way.own_logits is None
        assert way.logits is not None
