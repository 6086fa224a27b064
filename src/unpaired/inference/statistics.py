"""Normalization with statistics that were measured elsewhere: what makes the tiles of a large picture fit together.

Instance norm, AdaIN, layer norm and AdaLIN use the mean and variance of the whole picture, U-GAT-IT's γ and β the mean
of its features. A tile has others, so tiles that are translated one by one differ in colour. Both modes here replace
these statistics while the networks run, from outside: the networks do not know of tiles. They work on our
`channel_moments`, which gives nearly all our norms and these means, and on torch's function `group_norm`; what
computes statistics in another way would need its function added below. (U-GAT-IT's attention pools the whole picture
too, but only for its logits: the translation does not depend on them.)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from unpaired.layers.adalin import channel_moments


@dataclass(frozen=True)
class Moments:
    """Mean and biased variance of one norm: (1, K, 1) each, K statistics a picture (channels, groups or 1)."""

    mean: Tensor
    variance: Tensor


class _Statistics(TorchFunctionMode):
    """Replaces the statistics of every norm that is computed inside the `with` block."""

    def __init__(self, num_pictures: int) -> None:
        super().__init__()
        self.num_pictures = num_pictures

    @abstractmethod
    def moments(self, values: Tensor) -> Moments:
        """The statistics to use for `values`: (N, K, L), L numbers for each of K statistics of each picture."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is channel_moments:
            return self._channel_moments(*args, **kwargs)
        if func is functional.group_norm:
            return self._group_norm(*args, **kwargs)
        return func(*args, **kwargs)

    def _group_norm(
        self, x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
    ) -> Tensor:
        moments = self.moments(x.reshape(len(x), num_groups, -1))
        repeats = x.shape[1] // num_groups
        gain = torch.rsqrt(moments.variance + eps).repeat_interleave(repeats, dim=1).view(1, -1, 1, 1)
        if weight is not None:
            gain = gain * weight.view(1, -1, 1, 1)
        shift = -moments.mean.repeat_interleave(repeats, dim=1).view(1, -1, 1, 1) * gain
        if bias is not None:
            shift = shift + bias.view(1, -1, 1, 1)
        return torch.addcmul(shift, x, gain)

    def _channel_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `channel_moments`: mean and variance, (N, C) each."""
        moments = self.moments(x.flatten(2))
        return moments.mean[:, :, 0].expand(len(x), -1), moments.variance[:, :, 0].expand(len(x), -1)


class JointStatistics(_Statistics):
    """Every norm takes its statistics over all pictures of the batch together, as if they were one picture."""

    def __init__(self, num_pictures: int) -> None:
        super().__init__(num_pictures)
        self.measured: list[Moments] = []
        """The statistics of each norm, in the order of the calls."""

    def moments(self, values: Tensor) -> Moments:
        """Mean and variance over the batch."""
        variance, mean = torch.var_mean(values.float(), dim=(0, 2), correction=0, keepdim=True)
        self.measured.append(Moments(mean, variance))
        return self.measured[-1]


class FixedStatistics(_Statistics):
    """Every norm uses the `given` statistics, one after the other."""

    def __init__(self, given: Sequence[Moments], num_pictures: int = 1) -> None:
        super().__init__(num_pictures)
        self._given = iter(given)

    def moments(self, values: Tensor) -> Moments:  # noqa: ARG002  it is what the given ones replace
        """The next of the given statistics."""
        return next(self._given)
