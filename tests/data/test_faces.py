from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unpaired.data.faces import FILE_NAME, Face, FaceBoxes, PictureFaces, boxes_of, open_faces, write_faces
from unpaired.errors import Problem, UserError

Pictures = Callable[..., Path]
LARGE, SMALL = Face((2, 4, 10, 12), 0.9), Face((0, 0, 3, 3), 0.99)


def record(path: Path, *faces: Face) -> PictureFaces:
    return PictureFaces((16, 16), path.stat().st_size, faces)


def with_faces(folder: Path, *faces: Face) -> list[Path]:
    """The pictures of `folder`, after a box file was written that gives `faces` to each."""
    paths = sorted(folder.glob("**/*.png"))
    write_faces(folder, "test", {path: record(path, *faces) for path in paths})
    return paths


def only(problems: list[Problem]) -> str:
    (problem,) = problems
    return str(problem)


def test_the_largest_face_of_each_picture_comes_back_as_fractions(pictures: Pictures) -> None:
    folder = pictures("a", 3)
    paths = sorted(folder.iterdir())
    write_faces(
        folder,
        "test",
        {paths[0]: record(paths[0], SMALL, LARGE), paths[1]: record(paths[1]), paths[2]: record(paths[2], SMALL)},
    )
    found, problems = open_faces("a", folder, paths)
    assert problems == []
    assert found == {paths[0]: (0.125, 0.25, 0.625, 0.75), paths[2]: (0, 0, 0.1875, 0.1875)}


coordinates = st.floats(-50, 500, width=32)
sides_px = st.floats(0.5, 300, width=32)


@st.composite
def faces(draw: st.DrawFn) -> Face:
    left, top = draw(coordinates), draw(coordinates)
    points = draw(st.lists(st.tuples(coordinates, coordinates), max_size=5))
    box = (left, top, left + draw(sides_px), top + draw(sides_px))
    return Face(box, draw(st.floats(0, 1)), tuple(points))


@given(st.lists(faces(), max_size=4), st.text(min_size=1, max_size=12))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, drawn: list[Face], detector: str) -> None:
    folder = tmp_path_factory.mktemp("faces")
    path = folder / "a 'name' – with é.png"
    path.write_bytes(b"12345")
    written = PictureFaces((30, 40), 5, tuple(drawn))
    target = write_faces(folder, detector, {path: written})
    saved = json.loads(target.read_text(encoding="utf-8"))
    assert saved["detector"] == detector
    assert [tuple(face["box"]) for face in saved["pictures"][path.name]["faces"]] == [face.box for face in drawn]
    found, problems = open_faces("a", folder, [path])
    assert bool(problems) == (not drawn)
    assert found.get(path) == written.largest()


def test_names_are_relative_with_forward_slashes_and_the_folder_can_be_moved(pictures: Pictures) -> None:
    folder = pictures("a/sub/deep", 1).parent.parent
    with_faces(folder, LARGE)
    assert list(json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))["pictures"]) == ["sub/deep/00.png"]
    moved = folder.rename(folder.with_name("b"))
    assert len(open_faces("b", moved, [moved / "sub/deep/00.png"])[0]) == 1


def test_a_picture_taken_out_is_no_problem(pictures: Pictures) -> None:
    folder = pictures("a", 3)
    paths = with_faces(folder, LARGE)
    paths[0].unlink()
    found, problems = open_faces("a", folder, paths[1:])
    assert problems == []
    assert set(found) == set(paths[1:])


def test_no_box_file(pictures: Pictures) -> None:
    folder = pictures("a", 1)
    found, problems = open_faces("data.a (photos)", folder, sorted(folder.iterdir()))
    assert found == {}
    message, hint = only(problems).splitlines()
    assert message == "data.a (photos): has no faces.json, the file of its face boxes"
    assert hint == f"  Find the faces: unpaired data faces {folder}"


def test_the_box_file_of_another_set(pictures: Pictures) -> None:
    one, other = pictures("a", 3), pictures("b", 5)
    with_faces(one, LARGE)
    (one / FILE_NAME).rename(other / FILE_NAME)
    _, problems = open_faces("b", other, sorted(other.glob("*.png")))
    text = only(problems)
    assert f"{other / FILE_NAME}: was made for other pictures: of 5, 2 not in it, such as 03.png" in text
    assert f"unpaired data faces {other}" in text


def test_the_box_file_of_another_set_with_the_same_names(pictures: Pictures) -> None:
    folder = pictures("a", 3)
    paths = with_faces(folder, LARGE)
    paths[1].write_bytes(paths[1].read_bytes() + b"more")
    assert "of 3, 1 changed since, such as 01.png" in only(open_faces("a", folder, paths)[1])


WHOLE = '{"kind": "faces", "format": 1, "detector": "x", "pictures": {%s}}'
FACE = '"00.png": {"size": [9, 9], "num_bytes": 1, "faces": [{"box": %s, "score": %s}]}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "torn"),
        ((WHOLE % "").encode()[:-9], "torn"),
        (b"\xff\xfe{}", "torn"),
        (b"[]", "no box file"),
        (b'{"kind": "boxes"}', "no box file (kind"),
        ((WHOLE % "").replace('"format": 1', '"format": 2').encode(), "has the format 2; this version reads 1"),
        ((WHOLE % (FACE % ("[1, 2, 3]", 1))).encode(), "no box file (pictures.00.png.faces.0.box"),
        ((WHOLE % (FACE % ("[5, 5, 5, 9]", 1))).encode(), "is empty"),
        ((WHOLE % (FACE % ("[1, 2, NaN, 4]", 1))).encode(), "finite"),
        ((WHOLE % (FACE % ("[1, 2, 3, 4]", 7))).encode(), "score"),
    ],
)
def test_a_torn_or_foreign_file_is_named_with_the_way_out(pictures: Pictures, content: bytes, said: str) -> None:
    folder = pictures("a", 1)
    (folder / FILE_NAME).write_bytes(content)
    found, problems = open_faces("a", folder, sorted(folder.glob("*.png")))
    assert found == {}
    text = only(problems)
    assert str(folder / FILE_NAME) in text
    assert said in text
    assert f"unpaired data faces {folder}" in text
    assert "Traceback" not in text


def test_no_face_in_any_picture(pictures: Pictures) -> None:
    folder = pictures("a", 4)
    paths = with_faces(folder)
    text = only(open_faces("a", folder, paths)[1])
    assert "no face found in any of 4 pictures" in text
    assert "--whole" in text


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(pictures: Pictures) -> None:
    folder = pictures("a", 1)
    folder.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written"):
            write_faces(folder, "test", {})
    finally:
        folder.chmod(0o700)


def test_an_interrupted_write_leaves_the_file_that_was_there(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pictures("a", 1)
    with_faces(folder, LARGE)
    before = (folder / FILE_NAME).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left"):
        with_faces(folder, SMALL)
    assert (folder / FILE_NAME).read_bytes() == before
    assert len(list(folder.iterdir())) == 2


def test_boxes_keep_the_order_of_the_pictures() -> None:
    boxes = boxes_of([Path("b"), Path("a")], {Path("a"): (0.1, 0.2, 0.3, 0.4)})
    assert np.isnan(boxes[0]).all()
    assert boxes[1].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert boxes_of([], {}).shape == (0, 4)


def test_a_picture_without_face_has_the_box_of_the_whole() -> None:
    faces = FaceBoxes.of(np.array([[1.0, 2, 3, 4], [np.nan] * 4]), (30, 40))
    assert faces.boxes.dtype == torch.float32
    assert faces.boxes.tolist() == [[1, 2, 3, 4], [0, 0, 40, 30]]
    assert faces.present.tolist() == [True, False]
    assert len(faces.to("cpu")) == 2
    assert faces.to("meta").boxes.device.type == "meta"
