"""Whether a file without a known checksum is what it should be, told by the names and shapes of its tensors.

Each check raises `UserError` with what is wrong. Readers are imported when a check runs: some of them load torch.
"""

from __future__ import annotations

from pathlib import Path

from unpaired.errors import UserError

FACENET_ENDS = ("InceptionResnetV1/Conv2d_1a_3x3/weights", "InceptionResnetV1/Bottleneck/weights")


def facenet_checkpoint(folder: Path) -> None:
    """A TensorFlow checkpoint of FaceNet's Inception-ResNet-v1."""
    from unpaired.tensorflow_files.checkpoint import find_prefix, read_checkpoint

    seen = read_checkpoint(find_prefix(folder))
    missing = [name for name in FACENET_ENDS if name not in seen]
    if missing:
        raise UserError(
            f"{folder}: is not a checkpoint of FaceNet: {missing[0]} is not among its {len(seen)} variables",
            "Give the folder that the original's --facenet_checkpoint_dir names.",
        )


def caffe_vgg16(path: Path) -> None:
    """MUNIT's `vgg16.weight`: the convolutions of the original VGG16 as a PyTorch state dict."""
    from unpaired.pretrained.vgg16 import read_trunk

    read_trunk("vgg16-caffe", path)
