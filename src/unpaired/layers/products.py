"""Matrix products on a CPU, by the library that is fastest for them.

Torch leaves products of float32 to MKL, which uses half of the width of AMD's processors: on Zen 5, whose units are
512 bits wide, oneDNN multiplies 2.3 times as fast. Torch has it for convolutions and for bfloat16, and offers it for
float32 as the linear layer that its compiler uses. That one may turn a matrix into another order first, which pays
where the products' inner and outer sides are all some dozens long.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.layers.processor import is_wide_amd


def product(left: Tensor, right: Tensor) -> Tensor:
    """left (m, k) · right (k, n) → (m, n), without autograd's knowledge."""
    return _by_onednn(left, right) if uses_onednn(left) else torch.mm(left, right)


def batch_product(left: Tensor, right: Tensor, out: Tensor, *, add: bool = False) -> Tensor:
    """Writes left (p, m, k) · right (p, k, n) to `out` (p, m, n), or adds it there. Gives `out` back."""
    if not uses_onednn(left):
        return out.baddbmm_(left, right, beta=float(add))  # where beta is 0, `out` is not read
    for one_left, one_right, target in zip(left, right, out, strict=True):
        result = _by_onednn(one_left, one_right)
        target.add_(result) if add else target.copy_(result)
    return out


def uses_onednn(x: Tensor) -> bool:
    """Whether products of matrices like `x` are oneDNN's here although torch would not choose it."""
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and x.dtype == torch.float32 and x.device.type == "cpu" and is_wide_amd()


def _by_onednn(left: Tensor, right: Tensor) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")
    return result
