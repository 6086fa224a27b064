from __future__ import annotations

import torch

from unpaired.layers.heat_maps import PICTURE_SHARE, coloured, overlaid, stretched


def test_each_picture_is_stretched_by_itself():
    heat = torch.tensor([[1.0, 3.0], [10.0, 50.0]]).view(2, 1, 1, 2)
    assert stretched(heat).flatten().tolist() == [0.0, 1.0, 0.0, 1.0]


def test_a_constant_map_is_nothing_everywhere():
    assert stretched(torch.full((1, 1, 3, 3), 7.0)).abs().max() == 0
    assert overlaid(torch.zeros(1, 3, 12, 12), torch.zeros(1, 1, 3, 3)).isfinite().all()


def test_colours_go_from_blue_over_yellow_to_red():
    low, middle, high = coloured(torch.tensor([0.0, 0.6, 0.8]).view(1, 1, 1, 3))[0, :, 0].T
    assert low[2] > max(low[0], low[1])
    assert min(middle[0], middle[1]) > 0.5 > middle[2]
    assert high[0] > 0.5 > 0 > max(high[1], high[2])
    assert coloured(torch.linspace(0, 1, 50).view(1, 1, 5, 10)).abs().max() <= 1


def test_the_picture_is_seen_through_the_colours():
    pictures = torch.stack([torch.full((3, 8, 8), -1.0), torch.full((3, 8, 8), 1.0)])
    over = overlaid(pictures, torch.rand(1, 1, 2, 2).expand(2, -1, -1, -1))
    assert over.shape == pictures.shape
    assert torch.allclose(over[1] - over[0], torch.full((3, 8, 8), 2 * PICTURE_SHARE))
