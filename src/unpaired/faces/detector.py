"""Finding faces in pictures with the cascade of MTCNN (Zhang et al., IEEE SPL 2016), on the CPU.

P-net looks at windows of 12 px at every place of the picture at many scales, R-net looks again at what P-net found,
O-net at what is left; each moves the boxes. Networks and thresholds are those of the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from unpaired.faces.mtcnn import Mtcnn, load_mtcnn
from unpaired.pretrained.store import require

Values = NDArray[np.float32]
Boxes = NDArray[np.float32]
"""(N, 4): left, top, right, bottom in pixels."""
Box = tuple[float, float, float, float]
Point = tuple[float, float]

WINDOW_PX = 12
"""What one output of P-net sees."""
STRIDE_PX = 2
PYRAMID_FACTOR = 0.709  # the square root of a half: each level has half the area
REFINE_PX = 24
OUTPUT_PX = 48
MIN_PROPOSAL, MIN_REFINED, MIN_SCORE = 0.6, 0.7, 0.9

MIN_FACE_PX = 20
MIN_PART_OF_PICTURE = 1 / 16
"""Faces smaller than this part of the shorter side are not looked for: they say little, and cost most of the time."""


@dataclass(frozen=True)
class Detection:
    """A face: its box (left, top, right, bottom) in pixels, which may reach beyond the picture.

    `score` is 0 to 1. `landmarks` are (x, y) of the left eye, right eye, nose, left and right corner of the mouth, left
    as one sees them.
    """

    box: Box
    score: float
    landmarks: tuple[Point, ...]

    @property
    def area(self) -> float:
        """Square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class FaceDetector:
    """Finds faces with `networks`. Can be used by several threads at once."""

    def __init__(self, networks: Mtcnn) -> None:
        self._networks = networks

    def find(self, image: Image.Image, *, min_score: float = MIN_SCORE) -> list[Detection]:
        """The faces in the RGB `image` whose score is at least `min_score`, the largest first."""
        assert image.mode == "RGB", image.mode
        picture = np.asarray(image)
        squares = self._refined(picture, self._proposed(picture))
        found = self._detections(picture, squares, min_score)
        return sorted(found, key=lambda face: face.area, reverse=True)

    def _proposed(self, picture: NDArray[np.uint8]) -> Boxes:
        """Square boxes (N, 4) where there may be a face."""
        found = [self._proposed_at(picture, scale) for scale in _scales(picture.shape[0], picture.shape[1])]
        boxes, scores = (np.concatenate(parts) for parts in zip(NOTHING, *found, strict=True))
        return _squared(boxes[_without_overlaps(boxes, scores, 0.7)])

    def _proposed_at(self, picture: NDArray[np.uint8], scale: float) -> tuple[Boxes, Values]:
        """The boxes (N, 4) and scores (N,) that P-net gives for the picture at `scale`."""
        height, width = (math.ceil(side * scale) for side in picture.shape[:2])
        small = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        scores, moves = _run(self._networks.propose, small[None])
        row, column = np.nonzero(scores[0] >= MIN_PROPOSAL)
        corner = np.stack([column, row], axis=1) * STRIDE_PX
        boxes = np.concatenate([corner, corner + WINDOW_PX], axis=1).astype(np.float32) / np.float32(scale)
        scores = scores[0, row, column]
        kept = _without_overlaps(boxes, scores, 0.5)
        return _moved(boxes, moves[0, :, row, column])[kept], scores[kept]

    def _refined(self, picture: NDArray[np.uint8], boxes: Boxes) -> Boxes:
        """The square boxes (M, 4) that R-net makes of `boxes`."""
        scores, moves = _run(self._networks.refine, _patches(picture, boxes, REFINE_PX))
        sure = scores >= MIN_REFINED
        boxes, scores, moves = boxes[sure], scores[sure], moves[sure]
        kept = _without_overlaps(boxes, scores, 0.7)
        return _squared(_moved(boxes[kept], moves[kept]))

    def _detections(self, picture: NDArray[np.uint8], squares: Boxes, min_score: float) -> Iterator[Detection]:
        """What O-net makes of the square boxes."""
        scores, numbers = _run(self._networks.output, _patches(picture, squares, OUTPUT_PX))
        sure = scores >= min_score
        squares, scores, numbers = squares[sure], scores[sure], numbers[sure]
        boxes = _moved(squares, numbers[:, :4])
        corners, sides = squares[:, None, :2], (squares[:, 2:] - squares[:, :2])[:, None]
        points = corners + sides * numbers[:, 4:].reshape(-1, 2, 5).transpose(0, 2, 1)  # (N, 5, x and y)
        for k in _without_overlaps(boxes, scores, 0.7, of="smaller"):
            left, top, right, bottom = boxes[k].tolist()
            yield Detection((left, top, right, bottom), float(scores[k]), tuple((x, y) for x, y in points[k].tolist()))


def load_detector() -> FaceDetector:
    """A detector with the weights `mtcnn`. Raises `UserError` when they are not on this machine."""
    return FaceDetector(load_mtcnn(require("mtcnn")))


NOTHING = (np.empty((0, 4), np.float32), np.empty(0, np.float32))


def _scales(height: int, width: int) -> list[float]:
    """By how much to shrink (or enlarge) the picture, so that faces of any size come to fill a window."""
    shorter = min(height, width)
    smallest_face = max(MIN_FACE_PX, shorter * MIN_PART_OF_PICTURE)
    scales = []
    scale = WINDOW_PX / smallest_face
    while shorter * scale >= WINDOW_PX:
        scales.append(scale)
        scale *= PYRAMID_FACTOR
    return scales


def _run(network: nn.Module, pictures: NDArray[np.uint8]) -> tuple[Values, Values]:
    """The scores (N, ...) and other numbers (N, K, ...) that `network` gives for `pictures` (N, H, W, 3)."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).to(torch.float32).sub_(127.5).div_(128.0)
    with torch.inference_mode():
        found: Tensor = network(x)
    return found[:, :2].softmax(dim=1)[:, 1].numpy(), found[:, 2:].numpy()


def _patches(picture: NDArray[np.uint8], boxes: Boxes, size_px: int) -> NDArray[np.uint8]:
    """The parts of `picture` in the `boxes`, black beyond its border, as (N, size_px, size_px, 3)."""
    height, width = picture.shape[:2]
    patches = np.empty((len(boxes), size_px, size_px, 3), np.uint8)
    for patch, (left, top, right, bottom) in zip(patches, boxes.round().astype(int), strict=True):
        cut = np.zeros((max(1, bottom - top), max(1, right - left), 3), np.uint8)
        inside = picture[max(0, top) : min(bottom, height), max(0, left) : min(right, width)]
        down, across = max(0, -top), max(0, -left)
        cut[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
        patch[:] = cv2.resize(cut, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return patches


def _moved(boxes: Boxes, moves: Values) -> Boxes:
    """`boxes` (N, 4) with each side moved by `moves` (N, 4), in widths and heights of the box."""
    extent = boxes[:, 2:] - boxes[:, :2]
    moved: Boxes = boxes + moves * np.concatenate([extent, extent], axis=1)
    return moved


def _squared(boxes: Boxes) -> Boxes:
    """`boxes` (N, 4) made squares about their centres, as large as their longer sides."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    squares: Boxes = np.concatenate([centre - half, centre + half], axis=1)
    return squares


def _without_overlaps(
    boxes: Boxes, scores: Values, most: float, of: Literal["union", "smaller"] = "union"
) -> NDArray[np.intp]:
    """The indices of the boxes that stay when each removes those of lower scores with which it shares more than `most`.

    What is shared is a part of the area of both together, or of the smaller one.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[left, :2]), np.minimum(boxes[best, 2:], boxes[left, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        whole = np.minimum(area[best], area[left]) if of == "smaller" else area[best] + area[left] - shared
        left = left[shared <= most * whole]
    return np.array(kept, dtype=np.intp)
