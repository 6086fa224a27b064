from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unpaired.data.faces import FILE_NAME, open_faces

Call = Callable[..., Any]
DrawFace = Callable[..., Image.Image]


@pytest.fixture
def selfies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw_face: DrawFace) -> Path:
    """`selfies` in the current folder: 00.png and 01.png with a face, sub/02.png without."""
    monkeypatch.chdir(tmp_path)
    folder = Path("selfies")
    (folder / "sub").mkdir(parents=True)
    for seed in range(2):
        draw_face(seed, size=(96, 80), at=(20, 10)).save(folder / f"0{seed}.png")
    Image.new("RGB", (60, 50), "grey").save(folder / "sub" / "02.png")
    return folder


def records(folder: Path) -> dict[str, Any]:
    saved: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    return saved


def test_boxes_and_a_sheet_are_written_and_can_be_opened(selfies: Path, unpaired: Call) -> None:
    called = unpaired("data", "faces", selfies)
    assert called.code == 0, called.err
    assert f"{selfies / FILE_NAME}: 3 pictures: 2 with a face; 1 without" in called.out
    assert sorted(path.name for path in Path().iterdir()) == ["faces.png", "selfies"]
    pictures = [*sorted(selfies.glob("*.png")), selfies / "sub" / "02.png"]
    found, problems = open_faces("selfies", selfies, pictures)
    assert problems == []
    assert set(found) == set(pictures[:2])
    left, top, right, bottom = found[pictures[0]]
    assert (left * 96 + right * 96) / 2 == pytest.approx(20 + 32, abs=3)
    assert (top * 80 + bottom * 80) / 2 == pytest.approx(10 + 0.575 * 64, abs=4)
    assert records(selfies)["detector"] == "mtcnn"
    assert len(records(selfies)["pictures"]["00.png"]["faces"][0]["landmarks"]) == 5


def test_the_sheet_frames_what_has_no_face_in_red(selfies: Path, unpaired: Call) -> None:
    assert unpaired("data", "faces", selfies, "--sheet", "look.png").code == 0
    sheet = np.asarray(Image.open("look.png").convert("RGB"))
    red, green = (int((np.abs(sheet - np.array(c)) < 3).all(axis=2).sum()) for c in ((214, 40, 40), (0, 170, 80)))
    assert red > 400
    assert green > 400
    assert not Path("faces.png").exists()


def test_a_second_time_the_boxes_are_replaced(selfies: Path, unpaired: Call) -> None:
    assert unpaired("data", "faces", selfies, "--whole").code == 0
    assert records(selfies)["detector"] == "whole"
    called = unpaired("data", "faces", selfies)
    assert "(replaced)" in called.out
    assert records(selfies)["detector"] == "mtcnn"


def test_whole_pictures_as_faces(selfies: Path, unpaired: Call) -> None:
    called = unpaired("data", "faces", selfies, "--whole")
    assert "3 with a face; 0 without" in called.out
    assert records(selfies)["pictures"]["sub/02.png"]["faces"] == [
        {"box": [0.0, 0.0, 60.0, 50.0], "score": 1.0, "landmarks": []}
    ]


@pytest.fixture
def data_dir(selfies: Path) -> Path:
    """A data folder: trainA and testA with faces, trainB without."""
    folder = Path("data")
    folder.mkdir()
    selfies.rename(folder / "trainA")
    for part in ("trainB", "testA"):
        (folder / part).mkdir()
        Image.open(folder / "trainA" / "00.png").save(folder / part / "0.png")
    Image.new("RGB", (40, 40)).save(folder / "trainB" / "0.png")
    return folder


def test_a_data_folder_stands_for_its_parts(data_dir: Path, unpaired: Call) -> None:
    assert unpaired("data", "faces", data_dir, "--domain", "a").code == 0
    assert [p.parent.name for p in sorted(data_dir.rglob(FILE_NAME))] == ["testA", "trainA"]
    assert unpaired("data", "faces", data_dir, "--domain", "b", "--whole").code == 0
    assert (data_dir / "trainB" / FILE_NAME).exists()


def test_a_folder_without_any_face_is_named_and_the_others_are_written(data_dir: Path, unpaired: Call) -> None:
    called = unpaired("data", "faces", data_dir)
    assert called.code == 1
    assert called.num_errors == 1
    assert f"{data_dir / 'trainB'}: no face found in any of 1 picture" in called.err
    assert f"unpaired data faces {data_dir / 'trainB'} --whole" in called.err
    assert [p.parent.name for p in sorted(data_dir.rglob(FILE_NAME))] == ["testA", "trainA"]


def test_a_picture_that_cannot_be_read_is_left_out_and_named(selfies: Path, unpaired: Call) -> None:
    (selfies / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    called = unpaired("data", "faces", selfies)
    assert called.code == 0
    assert "note: left out" in called.out
    assert "torn.jpg" in called.out
    assert "torn.jpg" not in records(selfies)["pictures"]


def test_few_faces_bring_a_hint(selfies: Path, unpaired: Call) -> None:
    (selfies / "00.png").unlink()
    (selfies / "01.png").rename(selfies / "1.png")
    Image.new("RGB", (60, 50), "blue").save(selfies / "3.png")
    assert "--whole" in unpaired("data", "faces", selfies).out


def test_a_lower_score_finds_more(selfies: Path, unpaired: Call) -> None:
    assert unpaired("data", "faces", selfies, "--min-score", "0").code == 0
    scores = sorted(records(selfies)["pictures"][name]["faces"][0]["score"] for name in ("00.png", "01.png"))
    assert scores[0] < scores[1]
    assert unpaired("data", "faces", selfies, "--min-score", sum(scores) / 2).code == 0
    assert sum(bool(record["faces"]) for record in records(selfies)["pictures"].values()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["No folders"]),
        (["nowhere"], ["nowhere: there is no such folder"]),
        (["empty"], ["empty: holds no pictures"]),
        (["selfies", "--min-score", "2"], ["--min-score 2: is not between 0 and 1"]),
        (["selfies", "--min-score", "0.5", "--whole"], ["--min-score 0.5: nothing is searched with --whole"]),
        (["selfies", "--domain", "b"], ["--domain b: selfies has no trainB and no testB"]),
        (["selfies", "--sheet", "sheet.txt"], ["--sheet sheet.txt: is not the name of a picture"]),
        (["selfies", "--sheet", "nowhere/s.png"], ["--sheet nowhere/s.png: cannot be written there"]),
        (["selfies", "--sheet", "selfies/sub/s.png"], ["lies among the pictures of selfies"]),
        (["nowhere", "--sheet", "s.txt", "--min-score", "-1"], ["nowhere", "s.txt", "--min-score -1"]),
        (["selfies", "--domain", "c"], ["domain"]),
    ],
)
def test_wrong_calls_name_everything_that_is_wrong(
    selfies: Path, unpaired: Call, arguments: list[str], said: list[str]
) -> None:
    Path("empty").mkdir()
    called = unpaired("data", "faces", *arguments)
    assert called.code == 2
    for text in said:
        assert text in called.err
    assert "Traceback" not in called.err
    assert not list(Path().rglob(FILE_NAME))
    assert not list(Path().rglob("*heet*"))
    assert not Path("faces.png").exists()


def test_without_the_detectors_weights_it_says_how_to_get_them(
    selfies: Path, unpaired: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setattr("unpaired.pretrained.sources.Installed.locate", lambda _: None)
    called = unpaired("data", "faces", selfies)
    assert called.code == 1
    assert "unpaired weights get mtcnn" in called.err
    assert unpaired("data", "faces", selfies, "--whole").code == 0
