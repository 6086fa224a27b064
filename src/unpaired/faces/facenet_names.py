"""What FaceNet's layers are called: in `facenet.py`, in TensorFlow's files, and in facenet-pytorch's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TENSORFLOW_SCOPE = "InceptionResnetV1"
STEM = {0: "1a_3x3", 1: "2a_3x3", 2: "2b_3x3", 4: "3b_1x1", 5: "4a_3x3", 6: "4b_3x3"}

Branches = tuple[tuple[str, ...], ...]
BLOCK_35: Branches = (("1x1",), ("0a_1x1", "0b_3x3"), ("0a_1x1", "0b_3x3", "0c_3x3"))
BLOCK_17: Branches = (("1x1",), ("0a_1x1", "0b_1x7", "0c_7x1"))
BLOCK_8: Branches = (("1x1",), ("0a_1x1", "0b_1x3", "0c_3x1"))
MIXED_6A: Branches = (("1a_3x3",), ("0a_1x1", "0b_3x3", "1a_3x3"))
MIXED_7A: Branches = (("0a_1x1", "1a_3x3"), ("0a_1x1", "1a_3x3"), ("0a_1x1", "0b_3x3", "1a_3x3"))


@dataclass(frozen=True)
class LayerNames:
    """The names of one layer. `pytorch_norm` is None where no batch norm follows, and the layer has a bias."""

    ours: str
    tensorflow: str
    pytorch: str
    pytorch_norm: str | None


@dataclass(frozen=True)
class _Block:
    ours: str
    tensorflow: str
    pytorch: str
    branches: Branches
    merges: bool


def all_layers() -> Iterator[LayerNames]:
    """All 133 layers: 132 convolutions and the linear layer at the end."""
    for index, name in STEM.items():
        yield _normalized(f"stem.{index}", f"Conv2d_{name}", f"conv2d_{name[:2]}")
    for block in _blocks():
        yield from _block_layers(block)
    yield LayerNames("head", f"{TENSORFLOW_SCOPE}/Bottleneck", "last_linear", "last_bn")


def _blocks() -> Iterator[_Block]:
    for i in range(5):
        yield _Block(f"blocks35.{i}", f"Repeat/block35_{i + 1}", f"repeat_1.{i}", BLOCK_35, merges=True)
    yield _Block("reduce_a", "Mixed_6a", "mixed_6a", MIXED_6A, merges=False)
    for i in range(10):
        yield _Block(f"blocks17.{i}", f"Repeat_1/block17_{i + 1}", f"repeat_2.{i}", BLOCK_17, merges=True)
    yield _Block("reduce_b", "Mixed_7a", "mixed_7a", MIXED_7A, merges=False)
    for i in range(5):
        yield _Block(f"blocks8.{i}", f"Repeat_2/block8_{i + 1}", f"repeat_3.{i}", BLOCK_8, merges=True)
    yield _Block("blocks8.5", "Block8", "block8", BLOCK_8, merges=True)


def _block_layers(block: _Block) -> Iterator[LayerNames]:
    for b, branch in enumerate(block.branches):
        for i, name in enumerate(branch):
            pytorch = f"{block.pytorch}.branch{b}" + (f".{i}" if len(branch) > 1 else "")
            yield _normalized(f"{block.ours}.branches.{b}.{i}", f"{block.tensorflow}/Branch_{b}/Conv2d_{name}", pytorch)
    if block.merges:
        tensorflow = f"{TENSORFLOW_SCOPE}/{block.tensorflow}/Conv2d_1x1"
        yield LayerNames(f"{block.ours}.merge", tensorflow, f"{block.pytorch}.conv2d", None)


def _normalized(ours: str, tensorflow: str, pytorch: str) -> LayerNames:
    return LayerNames(ours, f"{TENSORFLOW_SCOPE}/{tensorflow}", f"{pytorch}.conv", f"{pytorch}.bn")
