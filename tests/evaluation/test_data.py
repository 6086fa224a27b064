from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from unpaired.config import DataConfig
from unpaired.data.folders import open_folders
from unpaired.data.images import read_picture, to_uint8
from unpaired.errors import UserError
from unpaired.evaluation.data import (
    EvaluationData,
    Pictures,
    data_of_run,
    open_data,
    picture_problems,
    read_pictures,
    real_pictures,
    truth_of,
    view_of,
)
from unpaired.inference.facts import PicturesConfig

Open = Callable[..., EvaluationData]
WHITE = (255, 255, 255)


def test_all_four_parts_are_found(data_folder: Path, opened: Open) -> None:
    data = opened(data_folder)
    assert {d: len(pictures) for d, pictures in data.test.items()} == {"a": 6, "b": 6}
    assert {d: len(pictures) for d, pictures in data.train.items()} == {"a": 9, "b": 8}
    assert data.test["a"].labels[:2] == ("a0", "a1")
    assert not data.paired
    assert data.notes == ()


def test_labels_are_paths_without_suffix(data_folder: Path, opened: Open) -> None:
    (data_folder / "testA" / "more").mkdir()
    shutil.copy(data_folder / "testA" / "a0.png", data_folder / "testA" / "more" / "a0.png")
    assert opened(data_folder).test["a"].labels[-1] == "more/a0"


def test_without_held_out_pictures_those_of_the_training_are_taken(data_folder: Path, opened: Open) -> None:
    shutil.rmtree(data_folder / "testB")
    data = opened(data_folder)
    assert data.test["b"] == data.train["b"]
    assert "no held-out pictures of b" in data.notes[0]


def test_without_training_pictures_the_held_out_ones_are_enough(data_folder: Path, opened: Open) -> None:
    shutil.rmtree(data_folder / "trainA")
    shutil.rmtree(data_folder / "trainB")
    data = opened(data_folder)
    assert data.train == {}
    assert real_pictures(data, "b", of_training=True) == data.test["b"]


def test_equal_names_are_pairs_and_a_note_says_so(paired_folder: Path, opened: Open) -> None:
    data = opened(paired_folder)
    assert data.paired
    assert data.notes == ("testA and testB have the same names: taken as pairs",)
    truth = truth_of(data, "b", data.test["a"].spread(2))
    assert truth is not None
    assert [path.relative_to(paired_folder).as_posix() for path in truth.paths] == ["testB/x0.png", "testB/x3.png"]


def test_pairs_are_not_believed_where_names_are_only_numbers(paired_folder: Path, opened: Open) -> None:
    for part in ("testA", "testB"):
        for path in sorted((paired_folder / part).iterdir()):
            path.rename(path.with_name(path.name[1:]))
    assert "only numbers" in opened(paired_folder).notes[0]
    assert not opened(paired_folder, pairs=False).paired
    assert truth_of(opened(paired_folder, pairs=False), "b", opened(paired_folder).test["a"]) is None


def test_pairs_that_are_asked_for_need_partners(data_folder: Path) -> None:
    _, problems = open_data(data_folder, pairs=True)
    assert len(problems) == 2
    assert "6 pictures of" in problems[0].message
    assert "such as a0" in problems[0].message


@pytest.mark.parametrize(
    ("folder", "said", "hint"),
    [
        (".", "has no testA and no testB", "Did you mean"),
        ("data/testA", "has no testA and no testB", "testA and testB"),
        ("dato", "there is no such folder", "data"),
    ],
)
def test_a_folder_without_parts_is_a_problem(
    folder: str, said: str, hint: str, data_folder: Path, tmp_path: Path
) -> None:
    data, problems = open_data(tmp_path / folder)
    assert data is None
    assert said in problems[0].message
    assert hint in problems[0].hint


def test_an_empty_part_is_a_problem(data_folder: Path) -> None:
    for path in (data_folder / "testB").iterdir():
        path.unlink()
    assert "holds no pictures" in open_data(data_folder)[1][0].message


def test_bad_and_small_pictures_are_problems(data_folder: Path, opened: Open) -> None:
    (data_folder / "testA" / "a1.png").write_bytes(b"no picture")
    Image.new("RGB", (9, 50)).save(data_folder / "testB" / "b1.png")
    data = opened(data_folder)
    view = DataConfig(size=(32, 32), resize="none")
    problems = picture_problems([data.test["a"], data.test["b"], data.test["b"]], view)
    assert ["1 of 6 pictures cannot be read" in problems[0].message, "b1.png (50x9)" in problems[1].hint] == [
        True,
        True,
    ]
    assert len(problems) == 2, "each folder is looked at once"
    assert picture_problems([data.test["b"]], DataConfig(size=(32, 32))) == [], "cover enlarges"


def test_pictures_are_resized_as_in_training_and_cropped_in_the_middle(tmp_path: Path) -> None:
    picture = Image.linear_gradient("L").convert("RGB").resize((60, 40))
    picture.save(tmp_path / "p.png")
    view = view_of(PicturesConfig(size=(16, 16), resize=20, background=WHITE))
    pictures = Pictures(tmp_path, (tmp_path / "p.png",), ("p",))
    expected = to_uint8(picture.resize((30, 20), Image.Resampling.BILINEAR))[:, 2:18, 7:23]
    assert torch.equal(read_pictures(pictures, view)[0], expected)


def test_the_margin_of_training_is_left_out() -> None:
    assert view_of(PicturesConfig(size=(16, 16), resize="cover", background=WHITE)).margin == 0


def test_a_picture_that_went_bad_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"")
    with pytest.raises(UserError, match="it was whole at the start"):
        read_pictures(Pictures(tmp_path, (tmp_path / "p.png",), ("p",)), DataConfig(size=(8, 8)))


def test_spread_is_even() -> None:
    pictures = Pictures(Path(), tuple(Path(str(n)) for n in range(10)), tuple(map(str, range(10))))
    assert pictures.spread(3).labels == ("0", "3", "6")
    assert pictures.spread(99) == pictures
    assert pictures.labelled(["7", "2"]).labels == ("7", "2")


def test_the_pictures_of_a_run(data_folder: Path) -> None:
    config = DataConfig(a=str(data_folder / "trainA"), b=str(data_folder / "trainB"), test_b=str(data_folder / "testB"))
    folders, _ = open_folders(DataConfig(**{**vars(config), "size": (32, 32)}))
    data = data_of_run(folders, config)
    assert [len(data.test["a"]), len(data.test["b"]), len(data.train["b"])] == [9, 6, 8]
    assert data.test["b"].labels[0] == "b0"
    assert "no held-out pictures of a" in data.notes[0]
    assert read_picture(data.test["b"].paths[0], WHITE).size == (32, 32)
