"""Can people still be recognised in their translations? A table over models, and a grid of what they make.

python benchmarks/faces/measure.py DATA_DIR NAME=MODEL... --out DIR

DATA_DIR has testA with the photographs (and its box file: `unpaired data faces DATA_DIR/testA`) and testB, trainB with
the drawings. A MODEL is a run folder, one of its snapshots or a bundle. Identity is measured with dlib's network, which
no training here has seen, and with FaceNet, which the face loss uses. How close the translations are to real drawings
is the kernel distance (x1000) of HED-VGG16's relu4_3, averaged over the picture and scaled to a mean square of 1, to
the drawings that were trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

import unpaired
from unpaired.data.faces import Box, open_faces
from unpaired.data.images import read_picture, to_image, to_tensor
from unpaired.data.listing import list_pictures
from unpaired.faces.embedder import load_embedder
from unpaired.metrics.identity import FacePair, Identity, measure_identity
from unpaired.metrics.kid import kernel_distance
from unpaired.pretrained.vgg16 import Vgg16Features, load_vgg16

NETWORKS = ("dlib-face", "facenet-casia")
LAYER = "relu4_3"
WHITE = (255, 255, 255)
NUM_SHOWN = 10
HEADER = (
    "| model | drawing distance | dlib: distance | to others | nearest is own | verified | as others "
    "| FaceNet: distance | verified |"
)


@dataclass(frozen=True)
class Photographs:
    """The test pictures (3, H, W) with their faces."""

    pictures: list[Tensor]
    boxes: list[Box | None]


def main() -> None:
    """Print the table and write it, with the grid, into the folder `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    parser.add_argument("--size", type=int, default=64, help="side, in pixels, of the pictures that were trained on")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    photographs = read_photographs(options.data / "testA", options.size)
    features = load_vgg16("hed-vgg16")
    drawings = features_of(features, read_all(options.data / "trainB", options.size))
    lines = [HEADER, "|---" * (HEADER.count("|") - 1) + "|"]
    rows = [photographs.pictures]
    held_out = features_of(features, read_all(options.data / "testB", options.size))
    lines.append(f"| real drawings, held out | {1000 * kernel_distance(held_out, drawings):.1f} " + "| " * 7 + "|")
    for name, model in [("the photographs themselves", None), *(text.split("=", 1) for text in options.models)]:
        translated = photographs.pictures if model is None else translations(model, photographs.pictures)
        distance = kernel_distance(features_of(features, translated), drawings)
        lines.append(row(name, distance, identities(photographs, translated)))
        print(lines[-1], flush=True)
        if model is not None:
            rows.append(translated)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    grid(rows).save(options.out / "grid.png")
    print("\n".join(lines))


def read_photographs(folder: Path, size: int) -> Photographs:
    """The photographs in `folder` at `size`, with their box file."""
    paths = list_pictures(folder).pictures
    boxes, problems = open_faces(str(folder), folder, paths)
    assert not problems, problems
    return Photographs(read_all(folder, size), [boxes.get(path) for path in paths])


def read_all(folder: Path, size: int) -> list[Tensor]:
    """All pictures of `folder`, resized to `size`."""
    opened = (read_picture(path, WHITE) for path in list_pictures(folder).pictures)
    return [to_tensor(picture.resize((size, size), Image.Resampling.BILINEAR)) for picture in opened]


def translations(model: str, pictures: Sequence[Tensor]) -> list[Tensor]:
    """What `model` makes of the photographs."""
    translator = unpaired.load(model, device="cpu")
    return [translator.translate_tensor(x[None], to="b")[0] for x in pictures]


@torch.no_grad()
def features_of(network: Vgg16Features, pictures: Sequence[Tensor]) -> Tensor:
    """(N, 512): what the network sees in each picture, averaged over it, with a mean square of 1."""
    means = torch.cat([network(x[None], layers=(LAYER,))[LAYER].mean(dim=(2, 3)) for x in pictures])
    return torch.nn.functional.normalize(means) * means.shape[1] ** 0.5


def identities(photographs: Photographs, translated: Sequence[Tensor]) -> list[Identity]:
    """What each face network says."""
    pairs = [FacePair(*each) for each in zip(photographs.pictures, translated, photographs.boxes, strict=True)]
    return [measure_identity(pairs, load_embedder(name)) for name in NETWORKS]


def row(name: str, distance: float, measured: Sequence[Identity]) -> str:
    """One line of the table."""
    second, first = measured
    cells = [
        name,
        f"{1000 * distance:.1f}",
        str(second.distance),
        str(second.distance_to_others),
        str(second.nearest_is_own),
        str(second.verified),
        str(second.verified_as_others),
        str(first.distance),
        str(first.verified),
    ]
    return "| " + " | ".join(cells) + " |"


def grid(rows: Sequence[Sequence[Tensor]]) -> Image.Image:
    """The first photographs, and below each what the models made of it."""
    shown = [torch.cat(list(pictures[:NUM_SHOWN]), dim=2) for pictures in rows]
    picture = to_image(torch.cat(shown, dim=1))
    return picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
