"""FaceNet (Schroff et al., CVPR 2015) as Inception-ResNet-v1 (Szegedy et al., 2016): faces as points on a sphere.

The network of github.com/davidsandberg/facenet. Its batch norms are folded into the convolutions, as it is never
trained here: there is nothing left that could behave differently in training mode.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, normalize

NORMALIZE_EPS = 1e-5  # TensorFlow's l2_normalize divides by the root of at least 1e-10


class ConvRelu(nn.Conv2d):
    """A convolution and ReLU. Its padding keeps the size, unless it is `valid`."""

    def __init__(self, dim_in: int, dim_out: int, kernel: tuple[int, int], *, stride: int = 1, valid: bool = False):
        padding = (0, 0) if valid else (kernel[0] // 2, kernel[1] // 2)
        super().__init__(dim_in, dim_out, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """(N, dim_out, h, w), 0 or more, from `x` (N, dim_in, H, W)."""
        return super().forward(x).relu_()


class Pool(nn.Module):
    """The largest of 3×3 values, at every second place."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) from `x` (N, C, H, W)."""
        return max_pool2d(x, 3, stride=2)


class Residual(nn.Module):
    """Branches of convolutions beside each other; what they find is added to the input, scaled."""

    def __init__(self, branches: Sequence[nn.Sequential], *, dim: int, scale: float, relu: bool = True) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.merge = nn.Conv2d(sum(_dim_out(branch) for branch in branches), dim, 1)
        self.scale, self.relu = scale, relu

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as `x` (N, dim, H, W)."""
        found: Tensor = self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))
        x = torch.add(x, found, alpha=self.scale)
        return x.relu_() if self.relu else x


class Reduction(nn.Module):
    """Branches that halve the size, and a pool beside them."""

    def __init__(self, branches: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.pool = Pool()

    def forward(self, x: Tensor) -> Tensor:
        """(N, sum of all channels, h, w) from `x` (N, C, H, W)."""
        return torch.cat([*(branch(x) for branch in self.branches), self.pool(x)], dim=1)


class InceptionResnetV1(nn.Module):
    """Embeds faces in `dim` numbers; the squared distance of two is 0 to 4, and below about 1.1 for one person."""

    def __init__(self, dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.stem = nn.Sequential(
            ConvRelu(3, 32, (3, 3), stride=2, valid=True),  # 79 px of 160
            ConvRelu(32, 32, (3, 3), valid=True),
            ConvRelu(32, 64, (3, 3)),
            Pool(),  # 38 px
            ConvRelu(64, 80, (1, 1)),
            ConvRelu(80, 192, (3, 3), valid=True),
            ConvRelu(192, 256, (3, 3), stride=2, valid=True),  # 17 px
        )
        self.blocks35 = nn.Sequential(*(_block35() for _ in range(5)))
        self.reduce_a = _reduction_a()  # 896 channels, 8 px
        self.blocks17 = nn.Sequential(*(_block17() for _ in range(10)))
        self.reduce_b = _reduction_b()  # 1792 channels, 3 px
        self.blocks8 = nn.Sequential(*(_block8(scale=0.20) for _ in range(5)), _block8(scale=1.0, relu=False))
        self.head = nn.Linear(1792, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, dim) of unit length, for RGB faces `x` (N, 3, 160, 160) standardised as the weights expect it.

        The weights of 2018 expect (pixel − 127.5) / 128. Other sizes from 75 px on work, if less well.
        """
        x = self.reduce_a(self.blocks35(self.stem(x)))
        x = self.blocks8(self.reduce_b(self.blocks17(x)))
        return normalize(self.head(x.mean(dim=(2, 3))), eps=NORMALIZE_EPS)


def _block35() -> Residual:
    def reduced() -> ConvRelu:
        return ConvRelu(256, 32, (1, 1))

    def square() -> ConvRelu:
        return ConvRelu(32, 32, (3, 3))

    branches = [[reduced()], [reduced(), square()], [reduced(), square(), square()]]
    return Residual([nn.Sequential(*branch) for branch in branches], dim=256, scale=0.17)


def _block17() -> Residual:
    crossed = [ConvRelu(896, 128, (1, 1)), ConvRelu(128, 128, (1, 7)), ConvRelu(128, 128, (7, 1))]
    return Residual([nn.Sequential(ConvRelu(896, 128, (1, 1))), nn.Sequential(*crossed)], dim=896, scale=0.10)


def _block8(*, scale: float, relu: bool = True) -> Residual:
    crossed = [ConvRelu(1792, 192, (1, 1)), ConvRelu(192, 192, (1, 3)), ConvRelu(192, 192, (3, 1))]
    branches = [nn.Sequential(ConvRelu(1792, 192, (1, 1))), nn.Sequential(*crossed)]
    return Residual(branches, dim=1792, scale=scale, relu=relu)


def _reduction_a() -> Reduction:
    deep = [ConvRelu(256, 192, (1, 1)), ConvRelu(192, 192, (3, 3)), _halving(192, 256)]
    return Reduction([nn.Sequential(_halving(256, 384)), nn.Sequential(*deep)])


def _reduction_b() -> Reduction:
    def reduced() -> ConvRelu:
        return ConvRelu(896, 256, (1, 1))

    deep = [reduced(), ConvRelu(256, 256, (3, 3)), _halving(256, 256)]
    branches = [[reduced(), _halving(256, 384)], [reduced(), _halving(256, 256)], deep]
    return Reduction([nn.Sequential(*branch) for branch in branches])


def _halving(dim_in: int, dim_out: int) -> ConvRelu:
    return ConvRelu(dim_in, dim_out, (3, 3), stride=2, valid=True)


def _dim_out(branch: nn.Sequential) -> int:
    last = branch[-1]
    assert isinstance(last, ConvRelu)
    return last.out_channels
