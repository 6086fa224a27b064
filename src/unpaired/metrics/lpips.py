"""LPIPS with AlexNet (Zhang et al., CVPR 2018), versions 0.1 and 0.0, from torchvision's trunk and the package's heads.

The package `lpips` would download the trunk by itself; here only its small files of weights are read. Version 0.0 is
what MUNIT's and BicycleGAN's papers report: it forgot to scale the input, and its heads were fitted to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from unpaired.errors import UserError
from unpaired.metrics.picture_distance import DistanceFacts, PictureDistance
from unpaired.pretrained.alexnet import CHANNELS, AlexNetFeatures, read_alexnet
from unpaired.pretrained.catalogue import find
from unpaired.pretrained.store import locate, require

Version = Literal["0.1", "0.0"]
TRUNK = "alexnet"
HEADS: dict[Version, str] = {"0.1": "lpips-heads", "0.0": "lpips-heads-v0.0"}
LPIPS_WAY_OUT = "unpaired weights get alexnet, then unpaired weights get lpips-heads"
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pictures in [-1, 1], for R, G, B
MIN_SIDE_PX = 31  # of fewer, AlexNet's second pool leaves nothing


def load_lpips(version: Version) -> PictureDistance:
    """LPIPS of `version` with AlexNet. Raises `UserError` when the trunk or the heads are not on this machine."""
    trunk = AlexNetFeatures(read_alexnet(require(TRUNK)))
    return make_lpips(trunk, read_heads(require(HEADS[version])), version)


def is_lpips_here() -> bool:
    """Whether the trunk and the heads of version 0.1 lie on this machine."""
    return all(locate(find(name)) is not None for name in (TRUNK, HEADS["0.1"]))


def make_lpips(trunk: AlexNetFeatures, heads: Sequence[Tensor], version: Version) -> PictureDistance:
    """LPIPS of `version` from AlexNet's layers and one weight (C,) for each channel of each of the five layers."""
    facts = DistanceFacts(
        name="lpips" if version == "0.1" else "lpips-v0.0",
        label=f"LPIPS (AlexNet, v{version})",
        recipe={
            "network": f"AlexNet (ImageNet), relu1 to relu5, heads of lpips v{version}",
            "formula": "LPIPS (Zhang et al. 2018), equation 1",
            "resize": "none",
        },
        min_side_px=MIN_SIDE_PX,
    )
    return PictureDistance(facts, _ScaledInput(trunk) if version == "0.1" else trunk, heads)


def read_heads(path: Path) -> list[Tensor]:
    """The weights (C,) of the five layers in a head file of the package. Raises `UserError` when it is another file."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        heads = [state[f"lin{i}.model.1.weight"] for i in range(len(CHANNELS))]
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        raise UserError(
            f"{path}: does not hold the heads of LPIPS ({error})", "See what is expected: unpaired weights list."
        ) from error
    seen = [tuple(head.shape) for head in heads]
    if seen != [(1, channels, 1, 1) for channels in CHANNELS]:
        raise UserError(
            f"{path}: holds heads of the shapes {seen}, not those for AlexNet",
            "See what is expected: unpaired weights list.",
        )
    return [head.flatten() for head in heads]


class _ScaledInput(nn.Module):
    """AlexNet behind LPIPS' scale of pictures, which is that of ImageNet, in three digits."""

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        layers: list[Tensor] = self.trunk((x - self.shift) / self.scale)
        return layers
