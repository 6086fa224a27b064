"""How different two pictures look, told by the features of a pretrained network: LPIPS, and a stand-in for it.

LPIPS (Zhang et al., CVPR 2018) is what papers report. Where AlexNet's weights are not at hand, VGG16 as it was
fine-tuned to find edges serves: the same sum of five layers with equal weights, called HED-VGG16, never LPIPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from unpaired.errors import UsageError, UserError, did_you_mean
from unpaired.metrics.lpips import LPIPS_WAY_OUT, is_lpips_here, load_lpips
from unpaired.metrics.picture_distance import DistanceFacts, PictureDistance
from unpaired.pretrained.catalogue import find
from unpaired.pretrained.store import locate
from unpaired.pretrained.vgg16 import load_vgg16

__all__ = ["PICTURE_DISTANCES", "DistanceName", "PictureDistance", "default_distance", "load_distance"]

DistanceName = Literal["lpips", "lpips-v0.0", "hed-vgg16"]
PICTURE_DISTANCES: tuple[DistanceName, ...] = ("lpips", "lpips-v0.0", "hed-vgg16")
VGG_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


def load_distance(name: str) -> PictureDistance:
    """The distance called `name` (of `PICTURE_DISTANCES`), on the CPU.

    Raises `UserError` when its weights are not on this machine, with the way to get them, and `UsageError` when there
    is no such distance.
    """
    if name not in PICTURE_DISTANCES:
        raise UsageError(f"{name}: there is no such distance of pictures", did_you_mean(name, PICTURE_DISTANCES))
    if name == "hed-vgg16":
        return _load_hed_vgg16()
    return load_lpips("0.1" if name == "lpips" else "0.0")


def default_distance() -> DistanceName:
    """`lpips` where AlexNet's weights and the heads are on this machine, else `hed-vgg16`.

    Raises `UserError` when neither is here, with both ways out.
    """
    if is_lpips_here():
        return "lpips"
    if locate(find("hed-vgg16")) is not None:
        return "hed-vgg16"
    raise UserError(
        "The weights of none of the distances of pictures are on this machine: LPIPS, HED-VGG16",
        f"LPIPS, the usual one: {LPIPS_WAY_OUT}. HED-VGG16, a smaller download: unpaired weights get hed-vgg16.",
    )


def _load_hed_vgg16() -> PictureDistance:
    vgg = load_vgg16("hed-vgg16")
    facts = DistanceFacts(
        name="hed-vgg16",
        label=vgg.label,
        recipe={
            "network": f"{vgg.label} (VGG16 fine-tuned to find edges), {', '.join(VGG_LAYERS)}",
            "formula": "sum over layers of the mean over positions of |difference of features of length 1|^2",
            "resize": "none",
        },
        min_side_px=16,
    )
    return PictureDistance(facts, _Trunk(vgg, VGG_LAYERS))


class _Trunk(nn.Module):
    """A network that gives its layers by name, as a list."""

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.layers = tuple(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = self.network(x, self.layers)
        return [found[layer] for layer in self.layers]
