"""AlexNet's convolutions (Krizhevsky, arXiv:1404.5997: the "one weird trick" layout of torchvision), for LPIPS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from unpaired.errors import UserError

Convolutions = Sequence[tuple[Tensor, Tensor]]
CHANNELS = (64, 192, 384, 256, 256)
PLACES = (0, 3, 6, 8, 10)  # of the convolutions among torchvision's `features`
_KERNELS_PX, _STRIDES = (11, 5, 3, 3, 3), (4, 1, 1, 1, 1)
_PADDINGS = (2, 2, 1, 1, 1)
_POOLS_BEFORE = (False, True, True, False, False)


class AlexNetFeatures(nn.Module):
    """AlexNet up to relu5, frozen, for pictures in the scale that it was trained on."""

    def __init__(self, convolutions: Convolutions) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        places = zip(convolutions, _STRIDES, _PADDINGS, strict=True)
        for (weight, bias), stride, padding in places:
            num_out, num_in, side, _ = weight.shape
            conv = nn.Conv2d(num_in, num_out, side, stride, padding, device="meta")
            conv.load_state_dict({"weight": weight.float(), "bias": bias.float()}, assign=True)
            self.convs.append(conv)
        self.requires_grad_(False)
        self.eval()

    def forward(self, x: Tensor) -> list[Tensor]:
        """The outputs (N, C, h, w) of relu1 to relu5 for pictures `x` (N, 3, H, W)."""
        found = []
        for conv, pools in zip(self.convs, _POOLS_BEFORE, strict=True):
            x = relu(conv(max_pool2d(x, 3, 2) if pools else x))
            found.append(x)
        return found

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        """Itself, in evaluation mode: it is not trained, whatever happens to the module around it."""
        return super().train(False)


def read_alexnet(path: Path) -> Convolutions:
    """The weight and the bias of the five convolutions in torchvision's state dict at `path`.

    Raises `UserError` when the file is torn, or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = [(state[f"features.{i}.weight"], state[f"features.{i}.bias"]) for i in PLACES]
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        raise UserError(f"{path}: is torn, or is not AlexNet ({error})", "Fetch or copy it again.") from error
    inputs = (3, *CHANNELS[:-1])
    expected = [(c, i, k, k) for c, i, k in zip(CHANNELS, inputs, _KERNELS_PX, strict=True)]
    seen = [tuple(weight.shape) for weight, _ in found]
    if seen != expected:
        raise UserError(
            f"{path}: is not AlexNet: its convolutions have the shapes {seen}, not {expected}",
            "See what is expected: unpaired weights list.",
        )
    return found
