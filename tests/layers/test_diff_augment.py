import pytest
import torch

from unpaired.layers.diff_augment import AUGMENTATIONS, cut_out, diff_augment, jitter_color, shift
from unpaired.layers.share import Share


def share(seed: int = 0) -> Share:
    return Share(torch.Generator().manual_seed(seed))


def pictures(num: int = 64) -> torch.Tensor:
    return torch.rand(num, 3, 16, 24, generator=share(5).rng) * 2 - 1


def test_no_augmentation_gives_the_pictures_back():
    x = pictures()
    assert diff_augment(x, (), share()) is x


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_is_a_function_of_the_generator_and_differs_between_pictures(name):
    x = pictures(1).expand(8, -1, -1, -1)
    first, again, other = (diff_augment(x, (name,), share(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    assert first.shape == x.shape


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_gradients_pass_through(name):
    x = pictures(2).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda y: AUGMENTATIONS[name](y, share(3)).float().double(), (x,), atol=1e-2, eps=1e-2
    )


def test_colours_keep_the_drawing():
    """A change of brightness, saturation and contrast is affine in each channel's distance from grey."""
    x = pictures(4)
    grey_before, grey_after = x.mean(1), jitter_color(x, share()).mean(1)
    for before, after in zip(grey_before, grey_after, strict=True):
        slope = (after - after.mean()) / (before - before.mean())
        assert slope.std() < 1e-3
        assert 0.5 <= slope.mean() <= 1.5
        assert abs(after.mean() - before.mean()) <= 0.5 + 1e-6


def test_a_shift_moves_whole_pixels_by_an_eighth_at_most_and_repeats_the_border():
    x = pictures()
    moved = shift(x, share())
    seen = set()
    for before, after in zip(x, moved, strict=True):
        matches = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-3, 4)
            if torch.equal(after[:, 2:-2, 3:-3], before[:, 2 + dy : 14 + dy, 3 + dx : 21 + dx])
        ]
        assert len(matches) == 1
        dy, dx = matches[0]
        rows = (torch.arange(16) + dy).clamp(0, 15)
        columns = (torch.arange(24) + dx).clamp(0, 23)
        assert torch.equal(after, before[:, rows][:, :, columns])
        seen.add(matches[0])
    assert {dy for dy, _ in seen} == {-2, -1, 0, 1, 2}
    assert {dx for _, dx in seen} == {-3, -2, -1, 0, 1, 2, 3}


def test_a_cut_is_a_grey_square_and_the_rest_stays():
    x = pictures()
    cut = cut_out(x, share())
    areas = []
    for before, after in zip(x, cut, strict=True):
        gone = (after == 0).all(0)
        assert torch.equal(after[:, ~gone], before[:, ~gone])
        rows, columns = gone.any(1), gone.any(0)
        assert torch.equal(gone, rows[:, None] & columns[None])
        areas.append(int(gone.sum()))
    assert max(areas) == 8 * 12
    assert min(areas) >= 4 * 6
