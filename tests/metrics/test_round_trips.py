from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unpaired.inference.bundle import Bundle
from unpaired.inference.facts import FORMAT, BundleConfig, DomainNames, PicturesConfig
from unpaired.inference.translator import Translator
from unpaired.metrics.round_trips import BATCH_SIZE, round_trips, round_trips_of
from unpaired.models.munit.config import GeneratorConfig, MunitConfig
from unpaired.models.munit.method import Munit


class ByHand:
    """A translator whose codes can be followed by hand: style is a picture's mean, content the rest."""

    style_dim: int | None = 1
    device = torch.device("cpu")

    def encode_content(self, x: Tensor, domain: str) -> Tensor:
        return x - x.mean(dim=(1, 2, 3), keepdim=True)

    def encode_style(self, x: Tensor, domain: str) -> Tensor:
        return x.mean(dim=(1, 2, 3))[:, None]

    def decode(self, content: Tensor, style: Tensor, domain: str) -> Tensor:
        return content + style[:, :, None, None]


class Deaf(ByHand):
    """Ignores the style it is given."""

    def decode(self, content: Tensor, style: Tensor, domain: str) -> Tensor:
        return content


class OneAnswer:
    """Has no codes: b is a plus a tenth."""

    style_dim = None
    device = torch.device("cpu")

    def translate_tensor(self, x: Tensor, *, to: str) -> Tensor:
        return x + (0.1 if to == "b" else -0.3)


@pytest.fixture
def x() -> Tensor:
    return pictures(5)


@pytest.fixture(scope="module")
def translator() -> Translator:
    """A tiny MUNIT with drawn weights."""
    model = MunitConfig(generator=GeneratorConfig(dim=4, mlp_dim=8, style_dim=3, num_res_blocks=1))
    method = Munit(model)
    method.initialize(rng(0))
    facts = BundleConfig(
        format=FORMAT,
        model=model,
        data=PicturesConfig(size=(32, 32), resize="stretch", background=(255, 255, 255)),
        weights="raw",
        domains=DomainNames(a="cats", b="dogs"),
        source="drawn",
        versions={},
    )
    return Translator(Bundle(facts, method.generators.state_dict()), device="cpu")


def rng(seed: int = 4) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(num: int) -> Tensor:
    return torch.rand(num, 3, 8, 8, generator=rng(2)) * 1.8 - 0.9


def test_codes_that_keep_everything_come_back(x):
    found = round_trips_of(ByHand(), x, "a", rng())
    assert set(found) == {"image_a", "cycle_a", "content_a", "style_b"}
    for trip in found.values():
        assert trip.errors.shape == (5,)
        assert trip.errors.max() < 1e-6
    assert found["image_a"].share_of_chance is None
    assert found["content_a"].share_of_chance < 1e-5


def test_wrong_partners_by_hand(x):
    """One batch of 5: the order is the first draw of the generator, the styles are the second."""
    draw = rng()
    order, styles = torch.randperm(5, generator=draw), torch.randn(5, 1, generator=draw)[:, 0]
    content = ByHand().encode_content(x, "a")
    of_styles, of_contents = torch.empty(5), torch.empty(5)
    for place, picture in enumerate(order.tolist()):
        of_styles[picture] = abs(styles[place] - styles[place - 1])
        of_contents[picture] = (content[picture] - content[order[place - 1]]).abs().mean()
    found = round_trips_of(ByHand(), x, "a", rng())
    torch.testing.assert_close(found["style_b"].by_chance, of_styles)
    torch.testing.assert_close(found["content_a"].by_chance, of_contents)


def test_ignored_styles_come_back_as_badly_as_by_chance(x):
    found = round_trips_of(Deaf(), x, "b", rng())
    draw = rng()
    order, styles = torch.randperm(5, generator=draw), torch.randn(5, 1, generator=draw)[:, 0].abs()
    torch.testing.assert_close(found["style_a"].errors[order], styles)
    assert found["style_a"].share_of_chance == pytest.approx(1)
    torch.testing.assert_close(found["image_b"].errors, x.mean(dim=(1, 2, 3)).abs())


def test_pictures_of_several_batches_keep_their_order():
    x = pictures(2 * BATCH_SIZE + 1)
    found = round_trips_of(Deaf(), x, "a", rng())
    torch.testing.assert_close(found["image_a"].errors, x.mean(dim=(1, 2, 3)).abs())
    assert found["style_b"].by_chance.shape == (len(x),)
    assert found["style_b"].by_chance.min() > 0


def test_one_picture_has_no_wrong_partner():
    found = round_trips_of(ByHand(), pictures(1), "a", rng())
    assert found["style_b"].by_chance is found["style_b"].share_of_chance is None


def test_a_model_without_codes_has_a_cycle_and_an_identity(x):
    found = round_trips_of(OneAnswer(), x, "a", rng())
    assert set(found) == {"cycle_a", "identity_a"}
    torch.testing.assert_close(found["cycle_a"].errors, torch.full((5,), 0.2))
    torch.testing.assert_close(found["identity_a"].errors, torch.full((5,), 0.3))


def test_both_domains_of_a_real_model(translator: Translator):
    """The errors of MUNIT's own layers, computed step by step, without the order and the batches."""
    x_a, x_b = (torch.rand(n, 3, 32, 32, generator=rng(n)) * 2 - 1 for n in (3, 2))
    found = round_trips(translator, x_a, x_b, seed=7)
    assert list(found) == sorted(f"{kind}_{d}" for kind in ("content", "cycle", "image", "style") for d in "ab")
    networks = translator.networks
    with torch.no_grad():
        content, style = networks.encode_content(x_b, "b"), networks.encode_style(x_b, "b")
        again = networks.decode(content, style, "b")
    expected = [float((y - x).abs().mean()) for y, x in zip(again, x_b, strict=True)]
    torch.testing.assert_close(found["image_b"].errors, torch.tensor(expected))
    assert found["style_a"].errors.shape == (2,)  # styles of a are read from translations of b's pictures
    assert round_trips(translator, x_a, x_b, seed=7)["style_b"].mean == found["style_b"].mean
    assert round_trips(translator, x_a, x_b, seed=8)["style_b"].mean != found["style_b"].mean
