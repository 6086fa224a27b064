from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from unpaired.data.survey import Survey, copies_within, survey, survey_problems

Pictures = Callable[..., Path]


def messages(*surveys: Survey, size: tuple[int, int] | None = None) -> list[str]:
    return [problem.message for problem in survey_problems(surveys, size)]


def test_sizes_formats_and_other_files(tmp_path: Path) -> None:
    for name, size in (("a.png", (10, 20)), ("b.jpg", (30, 30)), ("c.png", (10, 20)), ("d.bmp", (5, 5))):
        Image.new("RGB", size, (len(name), ord(name[0]), 0)).save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    found = survey("x", tmp_path)
    assert found.sizes() == [(5, 5), (20, 10), (20, 10), (30, 30)]
    assert found.common_size() == ((20, 10), 2)
    assert found.formats() == {"PNG": 2, "JPEG": 1, "BMP": 1}
    assert found.listing.others == {".txt": 1}
    assert messages(found) == []
    assert copies_within(found) == []


def test_copies_are_found_by_their_pixels(pictures: Pictures) -> None:
    a = pictures("a", 3)
    with Image.open(a / "00.png") as image:
        image.save(a / "copy.bmp")
        image.save(a / "copy2.tiff")
        image.resize((8, 32)).save(a / "other shape.png")  # as many bytes, and the same ones
    assert messages(survey("cats", a)) == []
    note = copies_within(survey("cats", a))
    assert note == ["cats: 2 pictures with the same pixels as another, such as 00.png = copy.bmp"]


def test_copies_across_folders_are_a_problem(pictures: Pictures) -> None:
    a, b, test = pictures("a", 3), pictures("b", 3, first_grey=100), pictures("t", 2, first_grey=200)
    shutil.copy(a / "01.png", test / "same.png")
    shutil.copy(a / "01.png", test / "again.png")
    found = survey_problems([survey("A", a), survey("B", b), survey("T", test)], None)
    assert [problem.message for problem in found] == ["A and T share 1 picture (same pixels)"]
    assert "A/01.png = T/again.png" in found[0].hint


def test_bad_few_and_small_pictures_are_problems(pictures: Pictures, tmp_path: Path) -> None:
    a, b = pictures("a", 3, (20, 30)), pictures("b", 1, (8, 8), first_grey=50)
    (a / "00.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    surveys = [survey("A", a), survey("B", b), survey("E", tmp_path / "empty")]
    assert messages(*surveys) == [
        "A: 1 of 3 pictures cannot be read",
        "B: holds one picture only",
        "E: holds no pictures",
    ]
    assert "A: 2 of 3 pictures smaller than the crop of 21x30" in messages(*surveys, size=(21, 30))[1]
    assert not [text for text in messages(surveys[0], size=(20, 30)) if "smaller" in text]


def test_one_picture_is_enough_for_a_test_folder(pictures: Pictures) -> None:
    assert messages(survey("T", pictures("t", 1), is_for_training=False)) == []


def test_progress_is_told(pictures: Pictures) -> None:
    told: list[tuple[int, int]] = []
    survey("A", pictures("a", 3), on_progress=lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]
