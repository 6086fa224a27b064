import pytest
import torch

from unpaired.models.base import DOMAINS
from unpaired.models.munit.config import DiscriminatorConfig, MunitConfig
from unpaired.models.munit.discriminators import MultiScaleDiscriminator, MunitDiscriminators


@pytest.mark.parametrize("norm", ["none", "instance", "layer", "batch", "group", "spectral"])
@pytest.mark.parametrize("num_scales", [1, 3])
def test_every_discriminator_norm_gives_one_map_a_scale(norm, num_scales):
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(dim=8, norm=norm, num_layers=2, num_scales=num_scales))
    maps = discriminator(torch.randn(2, 3, 32, 48))
    assert [tuple(m.shape) for m in maps] == [(2, 1, 8 // 2**s, 12 // 2**s) for s in range(num_scales)]


def test_the_average_pool_between_scales_does_not_count_the_padding():
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(dim=8, num_layers=2, num_scales=2))
    discriminator.scales[1].load_state_dict(discriminator.scales[0].state_dict())
    fine, coarse = discriminator(torch.ones(1, 3, 32, 32))
    torch.testing.assert_close(coarse, fine[:, :, :4, :4])  # a constant picture stays constant up to its border


@pytest.mark.parametrize("norm", ["none", "instance", "layer", "group", "batch", "spectral"])
def test_scoring_batches_at_once_is_scoring_each(norm):
    config = MunitConfig(discriminator=DiscriminatorConfig(dim=8, norm=norm, num_layers=2, num_scales=2))
    networks = MunitDiscriminators(config)
    assert networks.mixes_samples is (norm == "batch")
    networks.train(norm == "batch")  # where they mix; with spectral norm each pass in training mode is another one
    pictures = {d: [torch.randn(num, 3, 32, 48) for num in (2, 1)] for d in DOMAINS}
    scores = networks(pictures)
    for d in DOMAINS:
        assert len(scores[d]) == 2
        for found, x in zip(scores[d], pictures[d], strict=True):
            torch.testing.assert_close(found, getattr(networks, d)(x), atol=1e-5, rtol=1e-5)


def test_scoring_batches_at_once_makes_one_power_iteration():
    config = MunitConfig(discriminator=DiscriminatorConfig(dim=8, norm="spectral", num_layers=2, num_scales=1))
    networks, alone = MunitDiscriminators(config), MunitDiscriminators(config)
    alone.load_state_dict(networks.state_dict())
    x = torch.randn(1, 3, 32, 32)
    networks({d: [x, x] for d in DOMAINS})
    alone({d: [x] for d in DOMAINS})
    assert all(torch.equal(tensor, alone.state_dict()[name]) for name, tensor in networks.state_dict().items())
