"""Configs of networks that take a moment to make, and how large a network is."""

from __future__ import annotations

from torch import nn

from unpaired.models.munit import config as munit
from unpaired.models.ugatit import config as ugatit

MUNIT = munit.MunitConfig(
    generator=munit.GeneratorConfig(dim=4, mlp_dim=8, style_dim=2, num_res_blocks=1),
    discriminator=munit.DiscriminatorConfig(dim=4, num_layers=2, num_scales=2),
)
UGATIT = ugatit.UgatitConfig(
    generator=ugatit.GeneratorConfig(light=True, dim=4, num_res_blocks=1),
    discriminator=ugatit.DiscriminatorConfig(dim=4, num_layers_global=4, num_layers_local=3),
)


def num_parameters(module: nn.Module) -> int:
    """Of the module and all in it."""
    return sum(parameter.numel() for parameter in module.parameters())
