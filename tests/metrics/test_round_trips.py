from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unpaired.metrics.round_trips import round_trips


class ByHand:
    """A translator whose codes can be followed by hand: style is a picture's mean, content the rest."""

    style_dim: int | None = 1

    def encode_content(self, x: Tensor, domain: str) -> Tensor:
        return x - x.mean(dim=(1, 2, 3), keepdim=True)

    def encode_style(self, x: Tensor, domain: str) -> Tensor:
        return x.mean(dim=(1, 2, 3))[:, None]

    def decode(self, content: Tensor, style: Tensor, domain: str) -> Tensor:
        return content + style[:, :, None, None]

    def draw_styles(self, num_styles: int, seed: int) -> Tensor:
        return torch.randn(num_styles, 1, generator=torch.Generator().manual_seed(seed))


class Deaf(ByHand):
    """Ignores the style it is given."""

    def decode(self, content: Tensor, style: Tensor, domain: str) -> Tensor:
        return content


class OneAnswer:
    """Has no codes: b is a plus a tenth."""

    style_dim = None

    def translate_tensor(self, x: Tensor, *, to: str) -> Tensor:
        return x + (0.1 if to == "b" else -0.3)


@pytest.fixture
def x() -> Tensor:
    return torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_codes_that_keep_everything_come_back(x):
    found = round_trips(ByHand(), x, "a", seed=4)
    for errors in (found.image, found.cycle, found.content, found.style):
        assert errors.shape == (5,)
        assert errors.max() < 1e-6
    styles = ByHand().draw_styles(5, 4)[:, 0]
    by_hand = [abs(float(styles[i] - styles[i - 1])) for i in range(5)]
    torch.testing.assert_close(found.style_by_chance, torch.tensor(by_hand))


def test_ignored_styles_come_back_as_badly_as_by_chance(x):
    found = round_trips(Deaf(), x, "b", seed=4)
    styles = Deaf().draw_styles(5, 4)[:, 0].abs()
    torch.testing.assert_close(found.style, styles)
    torch.testing.assert_close(found.style_by_chance.sort().values, styles.sort().values)
    torch.testing.assert_close(found.image, x.mean(dim=(1, 2, 3)).abs())


def test_a_model_without_codes_has_a_cycle_alone(x):
    found = round_trips(OneAnswer(), x, "a", seed=0)
    torch.testing.assert_close(found.cycle, torch.full((5,), 0.2))
    assert found.image is found.content is found.style is None
