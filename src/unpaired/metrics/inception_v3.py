"""Inception-v3 as FID and KID are defined with it (Szegedy et al., CVPR 2016, in TensorFlow's graph of 2015-12-05).

It differs from other Inception-v3 networks: average pools leave out the padding, the last block pools by maximum, and
there are 1008 classes. The names of the layers are those of the file that torch-fidelity and pytorch-fid read.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu

from unpaired.errors import UserError

SIZE_PX = 299
NUM_FEATURES = 2048
NUM_CLASSES = 1008
NORM_EPSILON = 1e-3


class InceptionV3(nn.Module):
    """The network without its resizing. It is made with random weights; `read_inception_v3` fills them."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3)
        self.Mixed_5b = _BlockA(192, 32)
        self.Mixed_5c = _BlockA(256, 64)
        self.Mixed_5d = _BlockA(288, 64)
        self.Mixed_6a = _BlockB(288)
        self.Mixed_6b = _BlockC(768, 128)
        self.Mixed_6c = _BlockC(768, 160)
        self.Mixed_6d = _BlockC(768, 160)
        self.Mixed_6e = _BlockC(768, 192)
        self.Mixed_7a = _BlockD(768)
        self.Mixed_7b = _BlockE(1280, has_max_pool=False)
        self.Mixed_7c = _BlockE(2048, has_max_pool=True)
        self.fc = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """The features (N, 2048), TensorFlow's pool_3, of `x` (N, 3, 299, 299) with pixels (p - 128) / 128."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = max_pool2d(x, 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """The logits (N, 1008) for `features` (N, 2048), without bias: the Inception Score is computed from these."""
        return features @ self.fc.weight.T


def read_inception_v3(path: Path) -> InceptionV3:
    """The network with the weights in the file at `path`. Raises `UserError` when they are another network's."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        raise UserError(f"{path}: is torn or not a PyTorch file of tensors", "Fetch or copy it again.") from error
    with torch.device("meta"):  # no random numbers for weights that the file replaces
        network = InceptionV3()
    try:
        network.load_state_dict(state, assign=True)
    except (RuntimeError, TypeError) as error:
        raise UserError(f"{path}: does not hold Inception-v3 as FID uses it", "Fetch or copy it again.") from error
    return network


class _Conv(nn.Module):
    """A convolution without bias, normalisation, ReLU."""

    def __init__(
        self,
        num_in: int,
        num_out: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, kernel_size, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(num_out, eps=NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.bn(self.conv(x)))


def _wide(num_in: int, num_out: int) -> _Conv:
    """A convolution of 1 × 7 pixels."""
    return _Conv(num_in, num_out, (1, 7), padding=(0, 3))


def _high(num_in: int, num_out: int) -> _Conv:
    """A convolution of 7 × 1 pixels."""
    return _Conv(num_in, num_out, (7, 1), padding=(3, 0))


def _average(x: Tensor) -> Tensor:
    return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _BlockA(nn.Module):
    """The paper's figure 5, at 35 × 35: kernels of 1, 5 and twice 3 pixels."""

    def __init__(self, num_in: int, num_pooled: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(num_in, 64, 1)
        self.branch5x5_1 = _Conv(num_in, 48, 1)
        self.branch5x5_2 = _Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _Conv(num_in, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, padding=1)
        self.branch_pool = _Conv(num_in, num_pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_average(x))], dim=1)


class _BlockB(nn.Module):
    """From 35 × 35 to 17 × 17 (the paper's figure 10)."""

    def __init__(self, num_in: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(num_in, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Conv(num_in, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, max_pool2d(x, 3, stride=2)], dim=1)


class _BlockC(nn.Module):
    """The paper's figure 6, at 17 × 17: kernels of 7 pixels, factorised."""

    def __init__(self, num_in: int, num_inner: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(num_in, 192, 1)
        self.branch7x7_1 = _Conv(num_in, num_inner, 1)
        self.branch7x7_2 = _wide(num_inner, num_inner)
        self.branch7x7_3 = _high(num_inner, 192)
        self.branch7x7dbl_1 = _Conv(num_in, num_inner, 1)
        self.branch7x7dbl_2 = _high(num_inner, num_inner)
        self.branch7x7dbl_3 = _wide(num_inner, num_inner)
        self.branch7x7dbl_4 = _high(num_inner, num_inner)
        self.branch7x7dbl_5 = _wide(num_inner, 192)
        self.branch_pool = _Conv(num_in, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_average(x))], dim=1)


class _BlockD(nn.Module):
    """From 17 × 17 to 8 × 8."""

    def __init__(self, num_in: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Conv(num_in, 192, 1)
        self.branch3x3_2 = _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Conv(num_in, 192, 1)
        self.branch7x7x3_2 = _wide(192, 192)
        self.branch7x7x3_3 = _high(192, 192)
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, max_pool2d(x, 3, stride=2)], dim=1)


class _BlockE(nn.Module):
    """The paper's figure 7, at 8 × 8: branches that end in a 1 × 3 and a 3 × 1 convolution side by side."""

    def __init__(self, num_in: int, *, has_max_pool: bool) -> None:
        super().__init__()
        self.has_max_pool = has_max_pool
        self.branch1x1 = _Conv(num_in, 320, 1)
        self.branch3x3_1 = _Conv(num_in, 384, 1)
        self.branch3x3_2a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = _Conv(num_in, 448, 1)
        self.branch3x3dbl_2 = _Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = _Conv(num_in, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = max_pool2d(x, 3, stride=1, padding=1) if self.has_max_pool else _average(x)
        branches = [
            self.branch1x1(x),
            *(self.branch3x3_2a(three), self.branch3x3_2b(three)),
            *(self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)),
            self.branch_pool(pooled),
        ]
        return torch.cat(branches, dim=1)
