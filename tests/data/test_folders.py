from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from unpaired.config import DataConfig
from unpaired.data import folders as module
from unpaired.data.dataset import read_resized
from unpaired.data.folders import locate, open_folders
from unpaired.errors import Problem

Pictures = Callable[..., Path]


def opened(a: Path, b: Path, **settings: object) -> tuple[module.PictureFolders, list[Problem]]:
    return open_folders(DataConfig(a=str(a), b=str(b), size=(16, 16), **settings))


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


class TestLocate:
    def test_two_folders(self, pictures: Pictures) -> None:
        a, b = pictures("cats", 2), pictures("dogs", 2)
        assert locate([a, b]) == ({"a": str(a), "b": str(b)}, [])

    def test_one_folder_with_all_parts(self, tmp_path: Path) -> None:
        for name in ("trainA", "trainB", "testA", "testB"):
            (tmp_path / name).mkdir()
        expected = {d: str(tmp_path / n) for d, n in module.SUB_FOLDERS.items()}
        assert locate([tmp_path]) == (expected, [])

    def test_test_folders_may_be_missing(self, tmp_path: Path) -> None:
        for name in ("trainA", "trainB"):
            (tmp_path / name).mkdir()
        found, problems = locate([tmp_path])
        assert sorted(found) == ["a", "b"]
        assert not problems

    def test_nothing_is_nothing(self) -> None:
        assert locate([]) == ({}, [])

    def test_both_wrong_folders_are_named_with_a_near_name(self, tmp_path: Path) -> None:
        (tmp_path / "dogs").mkdir()
        (tmp_path / "cats.zip").touch()
        found, problems = locate([tmp_path / "cats.zip", tmp_path / "dgos"])
        assert found == {}
        assert problems == [
            Problem(f"A_DIR {tmp_path / 'cats.zip'}: is a file, not a folder", "Unpack it first."),
            Problem(f"B_DIR {tmp_path / 'dgos'}: there is no such folder", 'Did you mean "dogs"?'),
        ]

    def test_the_good_one_of_two_is_kept(self, pictures: Pictures, tmp_path: Path) -> None:
        a = pictures("cats", 2)
        found, problems = locate([a, tmp_path / "nowhere"])
        assert found == {"a": str(a)}
        assert "B_DIR" in only(problems).message

    @pytest.mark.parametrize(
        "names", [("traina", "trainb"), ("train_A", "train_B"), ("a", "b"), ("domain-A", "domain-B")]
    )
    def test_near_names_of_the_parts(self, tmp_path: Path, names: tuple[str, str]) -> None:
        for name in names:
            (tmp_path / name).mkdir()
        if (tmp_path / "trainA").is_dir():
            pytest.skip("upper and lower case are the same here")
        problem = only(locate([tmp_path])[1])
        assert problem.message == f"DATA_DIR {tmp_path}: has no trainA and no trainB"
        assert problem.hint == f'Rename "{names[0]}" to trainA and "{names[1]}" to trainB.'

    def test_one_missing_part(self, tmp_path: Path) -> None:
        for name in ("trainA", "train_b", "testA"):
            (tmp_path / name).mkdir()
        problem = only(locate([tmp_path])[1])
        assert problem == Problem(f"DATA_DIR {tmp_path}: has no trainB", 'Rename "train_b" to trainB.')

    def test_a_data_folder_one_level_deeper(self, tmp_path: Path) -> None:
        for name in ("trainA", "trainB"):
            (tmp_path / "horse2zebra" / name).mkdir(parents=True)
        assert only(locate([tmp_path])[1]).hint == f"Did you mean {tmp_path / 'horse2zebra'}?"

    def test_two_folders_of_other_names(self, tmp_path: Path) -> None:
        for name in ("cat", "dog"):
            (tmp_path / name).mkdir()
        assert f"{tmp_path / 'cat'} {tmp_path / 'dog'}" in only(locate([tmp_path])[1]).hint

    def test_a_folder_of_pictures(self, pictures: Pictures) -> None:
        assert "Give two folders" in only(locate([pictures("cats", 3)])[1]).hint

    def test_three_folders(self, tmp_path: Path) -> None:
        assert only(locate([tmp_path] * 3)[1]).message == "3 folders given"


class TestOpenFolders:
    def test_all_pictures_of_all_folders(self, pictures: Pictures) -> None:
        a, b, test_a = pictures("a", 3), pictures("b", 5), pictures("test", 1)
        found, problems = opened(a, b, test_a=str(test_a))
        assert not problems
        assert [path.name for path in found.b] == ["00.png", "01.png", "02.png", "03.png", "04.png"]
        assert (len(found.a), len(found.test_a), found.test_b, found.skipped) == (3, 1, (), ())

    def test_pictures_that_training_keeps_in_memory_are_decoded_once(self, pictures: Pictures) -> None:
        a, b, test_a = pictures("a", 3), pictures("b", 2, (20, 30)), pictures("test", 1)
        found, _ = opened(a, b, test_a=str(test_a), margin=4)
        assert found.decoded is not None
        assert set(found.decoded.pictures) == {*found.a, *found.b}  # in whatever order the threads were done
        for path, picture in found.decoded.pictures.items():
            assert torch.equal(picture, read_resized(path, found.decoded.data))

    @pytest.mark.parametrize("settings", [{"workers": 1}, {"cache_mib": 0}], ids=["workers", "too many"])
    def test_pictures_that_are_read_again_are_not_kept(self, pictures: Pictures, settings: dict[str, int]) -> None:
        assert opened(pictures("a", 3), pictures("b", 2), **settings)[0].decoded is None

    def test_pictures_left_out_are_not_among_those_kept(self, pictures: Pictures) -> None:
        a, b = pictures("a", 3), pictures("b", 2)
        (a / "01.png").write_bytes((a / "01.png").read_bytes()[:60])  # its header is whole
        found, _ = opened(a, b, skip_bad=True)
        assert found.decoded is not None
        assert set(found.decoded.pictures) == {*found.a, *found.b}

    def test_progress_counts_all_folders_together(self, pictures: Pictures) -> None:
        told: list[tuple[int, int]] = []
        data = DataConfig(a=str(pictures("a", 2)), b=str(pictures("b", 3)), size=(16, 16))
        open_folders(data, lambda *counts: told.append(counts))
        assert told == [(done, 5) for done in (1, 2, 3, 4, 5)]

    def test_folders_that_are_missing_empty_or_files(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "notes.txt").touch()
        (tmp_path / "file").touch()
        data = DataConfig(a=str(tmp_path / "none"), b=str(tmp_path / "empty"), test_b=str(tmp_path / "file"))
        _, problems = open_folders(data)
        assert [p.message for p in problems] == [
            f"data.a ({tmp_path / 'none'}): there is no such folder",
            f"data.b ({tmp_path / 'empty'}): holds no pictures (1 other file: 1 .txt)",
            f"data.test_b ({tmp_path / 'file'}): is a file, not a folder",
        ]
        assert all(p.hint for p in problems)

    def test_no_folders(self) -> None:
        assert [p.message for p in open_folders(DataConfig())[1]] == [
            "data.a: no folder given",
            "data.b: no folder given",
        ]

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
    def test_folders_without_permission(self, pictures: Pictures) -> None:
        a, b = pictures("a", 2), pictures("b", 2)
        a.chmod(0)
        _, problems = opened(a, b)
        a.chmod(0o755)
        assert only(problems).message == f"data.a ({a}): no permission to read it"

    def test_one_picture_is_too_few_to_train_and_enough_to_test(self, pictures: Pictures) -> None:
        _, problems = opened(pictures("a", 1), pictures("b", 2), test_a=str(pictures("test", 1)))
        assert "data.a" in only(problems).message
        assert "holds one picture only" in only(problems).message

    def test_the_same_folder_twice(self, pictures: Pictures) -> None:
        a = pictures("a", 2)
        assert only(opened(a, a / ".." / "a")[1]).message.startswith("data.a and data.b are the same folder")

    def test_a_folder_inside_the_other(self, pictures: Pictures) -> None:
        outer, inner = pictures("a", 2), pictures("a/b", 2)
        for pair in ((outer, inner), (inner, outer)):
            assert only(opened(*pair)[1]).message.startswith(f"{inner} lies inside {outer}")

    def test_bad_pictures_are_listed_with_their_reasons(self, pictures: Pictures) -> None:
        a, b = pictures("a", 3), pictures("b", 3)
        (a / "sub").mkdir()
        (a / "sub" / "empty.png").touch()
        (a / "01.png").write_bytes((a / "01.png").read_bytes()[:50])
        found, problems = opened(a, b)
        problem = only(problems)
        assert problem.message == f"data.a ({a}): 2 of 4 pictures cannot be read"
        first, second, way_out = problem.hint.splitlines()
        assert first.startswith("01.png: torn")
        assert second == "  sub/empty.png: empty file"
        assert "--skip-bad" in way_out
        assert [path.name for path in found.a] == ["00.png", "02.png"]

    def test_ten_bad_pictures_are_named_and_the_others_counted(self, pictures: Pictures) -> None:
        a, b = pictures("a", 14), pictures("b", 2)
        for number in range(12):
            (a / f"{number:02}.png").write_bytes(b"")
        hint = only(opened(a, b)[1]).hint
        assert hint.count("empty file") == 10
        assert "and 2 more" in hint

    def test_bad_pictures_are_skipped_on_request(self, pictures: Pictures) -> None:
        a, b = pictures("a", 3), pictures("b", 3)
        (b / "01.png").write_bytes(b"")
        found, problems = opened(a, b, skip_bad=True)
        assert not problems
        assert [path.name for path in found.b] == ["00.png", "02.png"]
        assert [(bad.path.name, bad.reason) for bad in found.skipped] == [("01.png", "empty file")]

    @pytest.mark.parametrize(
        ("num_bad", "said"), [(3, "none of 3 pictures can be read"), (2, "one picture only that can")]
    )
    def test_too_few_are_left_after_skipping(self, pictures: Pictures, num_bad: int, said: str) -> None:
        a, b = pictures("a", 3), pictures("b", 2)
        for number in range(num_bad):
            (a / f"{number:02}.png").write_bytes(b"")
        assert said in only(opened(a, b, skip_bad=True)[1]).message

    def test_pictures_smaller_than_the_crop(self, pictures: Pictures) -> None:
        a, b = pictures("a", 2, (16, 15)), pictures("b", 5, (8, 40))
        problems = opened(a, b, resize="none")[1]
        assert [p.message for p in problems] == [
            f"data.a ({a}): 2 of 2 pictures smaller than the crop of 16x16 pixels (height x width)",
            f"data.b ({b}): 5 of 5 pictures smaller than the crop of 16x16 pixels (height x width)",
        ]
        assert problems[1].hint.startswith("00.png (8x40), 01.png (8x40), 02.png (8x40) and 2 more.")
        assert "data.resize=cover" in problems[0].hint

    def test_pictures_smaller_than_the_crop_after_the_resize(self, pictures: Pictures) -> None:
        a, b = pictures("a", 2, (10, 20)), pictures("b", 2, (10, 10))
        data = DataConfig(a=str(a), b=str(b), size=(16, 32), resize=16)
        problem = only(open_folders(data)[1])
        assert "data.b" in problem.message
        assert "after the resize to 16 pixels" in problem.hint

    @pytest.mark.parametrize("resize", ["cover", "stretch", 16])
    def test_small_pictures_are_enlarged_otherwise(self, pictures: Pictures, resize: str | int) -> None:
        assert not opened(pictures("a", 2, (3, 4)), pictures("b", 2, (4, 3)), resize=resize)[1]

    def test_pictures_that_a_resize_would_blow_up(self, pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
        a, b = pictures("a", 2), pictures("b", 2)
        Image.new("RGB", (5000, 1)).save(a / "line.png")
        monkeypatch.setattr(module, "MAX_PIXELS", 16 * 5000)
        assert "line.png: too elongated (1x5000 pixels)" in only(opened(a, b)[1]).hint
