from __future__ import annotations

import pytest
import torch
from torch import nn

from unpaired.inference.statistics import FixedStatistics, JointStatistics
from unpaired.layers.adain import adain
from unpaired.layers.adalin import FoldedNorm, channel_moments
from unpaired.layers.norms import make_norm


class Computed(nn.Sequential):
    """A norm that leaves its map pending, with the map computed."""

    def forward(self, x):
        return self[0](x).value()


LAYERS = {
    "instance": Computed(make_norm("instance", 8)),
    "group": Computed(make_norm("group", 8, num_groups=2)),
    "layer": Computed(make_norm("layer", 8)),
    "adalin": Computed(FoldedNorm(8, "blend", affine=True, rho_init=0.4)),
    "folded group": Computed(FoldedNorm(8, "group", affine=True)),
}
PARAMETERS = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))


def as_adain(x):
    bias, scale = PARAMETERS.expand(2, len(x), 8)
    return adain(x, bias, scale).value()


@pytest.fixture(params=[*LAYERS, "adain"])
def norm(request):
    if request.param == "adain":
        return as_adain
    layer = LAYERS[request.param].eval()
    rng = torch.Generator().manual_seed(1)  # large scales would make Bessel's correction of a small piece show
    for parameter in layer.parameters():
        nn.init.normal_(parameter, mean=1.0, std=0.3, generator=rng)
    return layer


@pytest.fixture
def x():
    rng = torch.Generator().manual_seed(3)
    return torch.randn(1, 8, 40, 60, generator=rng) * torch.rand(1, 8, 1, 1, generator=rng) + 2


@torch.inference_mode()
def test_one_picture_has_its_own_statistics(norm, x):
    with JointStatistics(1) as joint:
        y = norm(x)
    assert torch.allclose(y, norm(x), atol=1e-3)
    assert len(joint.measured) == 1


@torch.inference_mode()
def test_pieces_of_a_picture_are_normalized_as_the_whole(norm, x):
    pieces = torch.cat(x.split(20, dim=3))
    with JointStatistics(3):
        y = norm(pieces)
    assert torch.allclose(torch.cat(list(y.split(1)), dim=3), norm(x), atol=1e-3)


@torch.inference_mode()
def test_a_piece_with_the_statistics_of_the_whole(norm, x):
    joint = JointStatistics(1)
    with joint:
        whole = norm(x)
    piece = x[..., 7:19]
    with FixedStatistics(joint.measured):
        y = norm(piece)
    assert torch.allclose(y, whole[..., 7:19], atol=1e-3)
    assert not torch.allclose(norm(piece), whole[..., 7:19], atol=1e-2)


@torch.inference_mode()
def test_each_norm_gets_its_own(x):
    norms = (Computed(make_norm(name, 8)) for name in ("instance", "layer"))
    layers = nn.Sequential(next(norms), nn.Conv2d(8, 8, 1), next(norms)).eval()
    joint = JointStatistics(1)
    with joint:
        whole = layers(x)
    with FixedStatistics(joint.measured):
        y = layers(x[:, :, :9])
    assert torch.allclose(y, whole[:, :, :9], atol=1e-3)


@torch.inference_mode()
def test_norms_with_stored_statistics_are_left_alone(x):
    layer = nn.BatchNorm2d(8).eval()
    joint = JointStatistics(1)
    with joint:
        assert torch.allclose(layer(x), x / (1 + layer.eps) ** 0.5)
    assert joint.measured == []


@torch.inference_mode()
def test_a_mean_over_the_whole_picture_is_shared_by_its_pieces(x):
    with JointStatistics(3) as joint:
        mean, variance = channel_moments(torch.cat(x.split(20, dim=3)))
    assert torch.allclose(mean, x.mean(dim=(2, 3)).expand(3, -1), atol=1e-5)
    assert torch.allclose(variance, x.var(dim=(2, 3), correction=0).expand(3, -1), atol=1e-5)
    with FixedStatistics(joint.measured):
        again = channel_moments(x[..., :7])
    assert torch.equal(again[0], mean[:1])
    assert torch.equal(again[1], variance[:1])
