"""The sum that perceptual distances of two pictures share: squared differences of a network's scaled features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn

from unpaired.errors import UsageError
from unpaired.inference.checks import check_pictures
from unpaired.layers.precision import without_autocast
from unpaired.metrics.checks import check_pairs

NO_LENGTH = 1e-10  # keeps a position without any feature from dividing by 0, as in LPIPS
MAX_PIXELS_AT_ONCE = 2**18

Features = Sequence[Tensor]
"""Of each layer the features (N, C, h, w), of length 1 at every position."""


@dataclass(frozen=True, kw_only=True)
class DistanceFacts:
    """What people read about a distance, and the smallest side of a picture, in pixels, that it can look at."""

    name: str
    label: str
    recipe: Mapping[str, str]
    min_side_px: int


class PictureDistance(nn.Module):
    """The distance of two pictures: over layers, the mean over positions of weighted squared differences of features.

    The features of every position are scaled to length 1 first. `trunk` gives the layers' features of pictures in
    [-1, 1]; `weights` has a number (C,) for each channel of each layer, None stands for ones. Not trained, in float32.
    """

    _place: Tensor  # tells the device

    def __init__(
        self, facts: DistanceFacts, trunk: Callable[[Tensor], Features], weights: Sequence[Tensor] | None = None
    ) -> None:
        super().__init__()
        self.name, self.label, self.recipe = facts.name, facts.label, facts.recipe
        self._min_side_px = facts.min_side_px
        self.trunk = trunk
        self._num_weights = len(weights or ())
        for i, weight in enumerate(weights or ()):
            self.register_buffer(f"weight{i}", weight.float().view(-1, 1, 1))
        self.register_buffer("_place", torch.zeros(()), persistent=False)
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The distance (N,) of each picture of `x` to its partner in `y`, both (N, 3, H, W) in [-1, 1]. On the CPU.

        Raises `UsageError` for tensors that are no pictures, or are too small.
        """
        check_pairs(x, y)
        parts = zip(self.parts_of(x), self.parts_of(y), strict=True)
        return torch.cat([self.between(self.features(one), self.features(two)).cpu() for one, two in parts])

    @torch.no_grad()
    def features(self, x: Tensor) -> list[Tensor]:
        """The features of pictures `x` (N, 3, H, W) in [-1, 1], ready for `between`, where the distance's weights lie.

        They take some 2 MB a picture of 64x64 pixels. Raises `UsageError`.
        """
        check_pictures(x)
        height, width = x.shape[2:]
        if min(height, width) < self._min_side_px:
            raise UsageError(
                f"pictures of {height}x{width} pixels are too small for {self.label}",
                f"Both sides need {self._min_side_px} pixels or more: enlarge them.",
            )
        x = x.to(self._place.device)
        with without_autocast(x):
            return [_of_length_one(layer) for layer in self.trunk(x.float())]

    def between(self, first: Features, second: Features) -> Tensor:
        """The distance (N,) of pictures whose `features` are given; one side may have a single picture for all."""
        layers = zip(first, second, self._weights(len(first)), strict=True)
        return torch.stack([_sum_of_squares(one - two, weight) for one, two, weight in layers]).sum(dim=0)

    def parts_of(self, x: Tensor) -> Iterator[Tensor]:
        """The pictures `x` (N, 3, H, W), as many at once as `features` can take in little memory."""
        num = max(1, MAX_PIXELS_AT_ONCE // (x.shape[2] * x.shape[3]))
        yield from (x[start : start + num] for start in range(0, len(x), num))

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        """Itself, in evaluation mode: it is not trained, whatever happens to the module around it."""
        return super().train(False)

    def _weights(self, num_layers: int) -> list[Tensor | None]:
        if not self._num_weights:
            return [None] * num_layers
        return [cast(Tensor, getattr(self, f"weight{i}")) for i in range(self._num_weights)]


def _of_length_one(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + NO_LENGTH)


def _sum_of_squares(difference: Tensor, weight: Tensor | None) -> Tensor:
    """(N, C, h, w) → (N,): the sum over channels and the mean over positions."""
    squares = difference.square()
    weighted = squares if weight is None else squares * weight
    return weighted.sum(dim=1).mean(dim=(1, 2))
