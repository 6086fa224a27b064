from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from unpaired.faces.detector import Box, Detection, FaceDetector, load_detector

DrawFace = Callable[..., Image.Image]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return load_detector()


def overlap(one: Box, other: Box) -> float:
    """The area in both, as a part of the area in any."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(wide, 0) * max(high, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def drawn_box(left: float, top: float, face_px: float) -> Box:
    """The part from forehead to chin and from cheek to cheek, which MTCNN calls the face."""
    return left + 0.16 * face_px, top + 0.17 * face_px, left + 0.84 * face_px, top + 0.98 * face_px


@pytest.mark.parametrize(
    ("size", "at", "face_px"),
    [
        ((128, 128), (32, 32), 64),
        ((128, 128), (60, 8), 60),
        ((96, 96), (2, 2), 92),
        ((48, 48), (4, 4), 40),
        ((480, 300), (310, 90), 120),
        ((500, 600), (100, 50), 380),
    ],
)
def test_a_face_is_found_where_it_was_drawn(
    draw_face: DrawFace, detector: FaceDetector, size: tuple[int, int], at: tuple[int, int], face_px: int
) -> None:
    for seed in range(2):
        (face,) = detector.find(draw_face(seed, size=size, at=at, face_px=face_px))
        assert overlap(face.box, drawn_box(*at, face_px)) > 0.7
        assert face.score > 0.9
        eyes = np.array(face.landmarks[:2])
        drawn = np.array([[at[0] + 0.35 * face_px, at[1] + 0.5 * face_px], [at[0] + 0.65 * face_px, eyes[1, 1]]])
        assert np.abs(eyes - drawn).max() < 0.06 * face_px


def test_a_mirrored_picture_gives_the_mirrored_face(draw_face: DrawFace, detector: FaceDetector) -> None:
    """What is found is not moved to one side: on average of several faces the middle of the landmarks is the middle."""
    moved = []
    for seed in range(6):
        picture = draw_face(seed, size=(128, 128), at=(20, 30), face_px=90)
        face, mirrored = (detector.find(p, min_score=0.7)[0] for p in (picture, ImageOps.mirror(picture)))
        middles = [np.mean([x for x, _ in found.landmarks]) for found in (face, mirrored)]
        moved.append((middles[0] + middles[1] - 128) / 2 / 90)
    assert abs(np.mean(moved)) < 0.01


def test_several_faces_come_largest_first(draw_face: DrawFace, detector: FaceDetector) -> None:
    picture = Image.new("RGB", (400, 200), (100, 110, 120))
    places = {(10, 10): 60, (100, 20): 140, (280, 50): 100}
    for (left, top), face_px in places.items():
        picture.paste(draw_face(face_px, size=(face_px, face_px), face_px=face_px), (left, top))
    found = detector.find(picture)
    assert len(found) == 3
    for face, (left, top) in zip(found, [(100, 20), (280, 50), (10, 10)], strict=True):
        assert overlap(face.box, drawn_box(left, top, places[left, top])) > 0.6


def test_only_sure_faces_are_kept(draw_face: DrawFace, detector: FaceDetector) -> None:
    picture = draw_face(0)
    (face,) = detector.find(picture, min_score=0.0)
    assert detector.find(picture, min_score=face.score) == [face]
    assert detector.find(picture, min_score=face.score + 1e-6) == []


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "picture",
    [Image.new("RGB", (200, 100), "grey"), noise(160, 120), noise(1, 1), noise(8, 8), noise(500, 9), noise(11, 300)],
    ids=["plain", "noise", "one pixel", "tiny", "wide", "high"],
)
def test_nothing_is_found_where_there_is_no_face(detector: FaceDetector, picture: Image.Image) -> None:
    assert detector.find(picture) == []


def test_a_detection_knows_its_area() -> None:
    assert Detection((1, 2, 4, 8), 1.0, ()).area == 18
