from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unpaired.evaluation.data import EvaluationData
from unpaired.evaluation.translated_folders import matched, open_translations

Open = Callable[..., EvaluationData]
Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", ("cat", "")),
        ("cat_3", ("cat", "3")),
        ("cat-style3", ("cat", "style3")),
        ("cat-to-b-style00-seed0", ("cat", "to-b-style00-seed0")),
        ("cat_fake_B", ("cat", "fake_B")),
        ("cat/3", ("cat", "3")),
        ("3/cat", ("cat", "3/")),
        ("a2b/style_1/cat", ("cat", "a2b/style_1/")),
        ("cat_1", ("cat_1", "")),
        ("cat_1_2", ("cat_1", "2")),
        ("sub/dog", ("sub/dog", "")),
        ("sub/dog-2", ("sub/dog", "2")),
        ("cats", None),
        ("dog", None),
        ("ca", None),
    ],
)
def test_matched(name: str, expected: tuple[str, str] | None) -> None:
    labels = ["cat_1", "cat", "sub/dog"] if name.startswith("cat_1") else ["cat", "sub/dog"]
    assert matched(name, labels) == expected


def found(folder: Path, data: EvaluationData, *to: str) -> dict[str, dict[str, list[str]]]:
    result, problems = open_translations(folder, data, to or ("b", "a"))  # type: ignore[arg-type]
    assert problems == []
    assert result is not None
    return {
        to: {label: [p.relative_to(folder).as_posix() for p in paths] for label, paths in files.items()}
        for to, files in result.files.items()
    }


def test_styles_are_in_the_order_of_their_numbers(data_folder: Path, opened: Open, translations: Make) -> None:
    folder = translations("out", ["a0_10", "a0_9", "a0_1", "a1_1"])
    assert found(folder, opened(data_folder)) == {
        "b": {"a0": ["a0_1.png", "a0_9.png", "a0_10.png"], "a1": ["a1_1.png"]}
    }


def test_names_of_our_own_translations(data_folder: Path, opened: Open, translations: Make) -> None:
    folder = translations(
        "out",
        ["a0-to-b-style00-seed0", "a0-to-b-style01-seed0", "a0-to-b-attention", "a0-to-a-style00-seed0", "b3-to-a"],
    )
    assert found(folder, opened(data_folder)) == {
        "b": {"a0": ["a0-to-b-style00-seed0.png", "a0-to-b-style01-seed0.png"]},
        "a": {"b3": ["b3-to-a.png"]},
    }


def test_an_input_with_a_direction_in_its_own_name(tmp_path: Path, data_folder: Path, opened: Open) -> None:
    (data_folder / "testA" / "a0.png").rename(data_folder / "testA" / "road-to-a-hill.png")
    folder = tmp_path / "out"
    folder.mkdir()
    (data_folder / "testA" / "a1.png").rename(folder / "road-to-a-hill_2.png")
    assert found(folder, opened(data_folder)) == {"b": {"road-to-a-hill": ["road-to-a-hill_2.png"]}}


def test_results_of_cyclegans_code(paired_folder: Path, opened: Open, translations: Make) -> None:
    stems = [f"x0_{kind}" for kind in ("real_A", "real_B", "fake_A", "fake_B", "rec_A", "rec_B", "idt_A")]
    folder = translations("images", stems)
    expected = {"b": {"x0": ["x0_fake_B.png"]}, "a": {"x0": ["x0_fake_A.png"]}}
    assert found(folder, opened(paired_folder)) == expected


def test_a_folder_for_each_style(paired_folder: Path, opened: Open, translations: Make) -> None:
    folder = translations("out", ["_00/x0", "_01/x0", "_10/x0", "_02/x0"])
    files = found(folder, opened(paired_folder), "b")
    assert files == {"b": {"x0": ["_00/x0.png", "_01/x0.png", "_02/x0.png", "_10/x0.png"]}}


def test_sub_folders_that_name_the_direction(paired_folder: Path, opened: Open, translations: Make) -> None:
    folder = translations("out", ["a2b/x0", "B2A/x1_5"])
    assert found(folder, opened(paired_folder)) == {"b": {"x0": ["a2b/x0.png"]}, "a": {"x1": ["B2A/x1_5.png"]}}


def test_a_direction_that_nothing_tells_is_a_problem(paired_folder: Path, opened: Open, translations: Make) -> None:
    folder = translations("out", ["x0", "x1"])
    result, problems = open_translations(folder, opened(paired_folder), ("b", "a"))
    assert result is None
    assert "could be translations to a or to b" in problems[0].message
    assert "--to b" in problems[0].hint


def test_names_that_fit_nothing_are_a_problem(data_folder: Path, opened: Open, translations: Make) -> None:
    folder = translations("out", ["result 1", "result 2"])
    result, problems = open_translations(folder, opened(data_folder), ("b",))
    assert result is None
    assert "none of 2 pictures is named after a picture of" in problems[0].message
    assert "result 1" in problems[0].message
    assert "a0_3.png" in problems[0].hint


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_pictures_is_a_problem(name: str, tmp_path: Path, data_folder: Path, opened: Open) -> None:
    (tmp_path / "empty").mkdir()
    result, problems = open_translations(tmp_path / name, opened(data_folder), ("b",))
    assert result is None
    assert len(problems) == 1
