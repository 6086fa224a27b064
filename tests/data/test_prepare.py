from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from unpaired.data import prepare
from unpaired.data.prepare import edge_map, edges, split
from unpaired.errors import UsageError, UserError

Pictures = Callable[..., Path]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class TestSplit:
    def test_two_folders_are_split_and_copied_whole(self, pictures: Pictures, tmp_path: Path) -> None:
        a, b, out = pictures("a", 10), pictures("b", 20), tmp_path / "out"
        assert split([a, b], out, test=0.2, seed=0) == {"trainA": 8, "testA": 2, "trainB": 16, "testB": 4}
        for source, parts in ((a, ("trainA", "testA")), (b, ("trainB", "testB"))):
            copied = {path.name: path.read_bytes() for part in parts for path in (out / part).iterdir()}
            assert copied == {path.name: path.read_bytes() for path in source.iterdir()}

    def test_one_folder_gives_train_and_test(self, pictures: Pictures, tmp_path: Path) -> None:
        assert split([pictures("a", 10)], tmp_path / "out", test=0.1, seed=0) == {"train": 9, "test": 1}

    def test_the_same_names_get_the_same_test_part(self, pictures: Pictures, tmp_path: Path) -> None:
        a, b = pictures("a", 20), pictures("b", 20)
        for path in list(b.iterdir()):
            path.rename(path.with_suffix(".bmp"))
        split([a, b], tmp_path / "out", test=0.3, seed=5)
        stems = [{path.stem for path in (tmp_path / "out" / part).iterdir()} for part in ("testA", "testB")]
        assert stems[0] == stems[1]
        assert len(stems[0]) == 6

    def test_the_seed_alone_decides(self, pictures: Pictures, tmp_path: Path) -> None:
        a = pictures("a", 30)
        for number, seed in enumerate((0, 0, 1)):
            split([a], tmp_path / f"out{number}", test=0.3, seed=seed)
        parts = [files(tmp_path / f"out{number}" / "test") for number in range(3)]
        assert parts[0] == parts[1] != parts[2]

    @pytest.mark.parametrize(("fraction", "num_test"), [(0.001, 1), (0.999, 2), (0.5, 2)])
    def test_both_parts_have_a_picture(
        self, pictures: Pictures, tmp_path: Path, fraction: float, num_test: int
    ) -> None:
        found = split([pictures("a", 3)], tmp_path / "out", test=fraction, seed=0)
        assert found == {"train": 3 - num_test, "test": num_test}

    def test_relative_paths_are_kept(self, pictures: Pictures, tmp_path: Path) -> None:
        pictures("a/x", 2), pictures("a/y", 2)
        split([tmp_path / "a"], tmp_path / "deep" / "out", test=0.5, seed=0)
        found = [name.split("/", 1)[1] for name in files(tmp_path / "deep" / "out")]
        assert sorted(found) == ["x/00.png", "x/01.png", "y/00.png", "y/01.png"]

    def test_all_problems_are_told_together(self, pictures: Pictures, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            split([tmp_path / "none", pictures("one", 1)], pictures("full", 1), test=1.5, seed=0)
        said = [problem.message for problem in caught.value.problems]
        assert [text.split(": ", 1)[1] for text in said] == [
            "there is no such folder",
            "holds one picture only",
            "exists and is not empty",
            "is not between 0 and 1",
        ]

    def test_out_may_be_an_empty_folder_but_not_inside_the_source(self, pictures: Pictures, tmp_path: Path) -> None:
        a = pictures("a", 4)
        (tmp_path / "out").mkdir()
        split([a], tmp_path / "out", test=0.5, seed=0)
        assert len(files(tmp_path / "out")) == 4
        with pytest.raises(UsageError, match="lies inside"):
            split([a], a / "out", test=0.5, seed=0)

    def test_nothing_is_left_when_the_disk_is_full(
        self, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(source: Path, target: Path) -> None:
            if source.name == "02.png":
                raise OSError(errno.ENOSPC, "No space left on device", str(target))
            target.touch()

        a = pictures("a", 4)
        monkeypatch.setattr(prepare.shutil, "copy2", full)
        with pytest.raises(UserError, match="No space left on device"):
            split([a], tmp_path / "out", test=0.5, seed=0)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]


class TestEdges:
    def test_the_edges_of_a_square_are_black_lines_on_white(self) -> None:
        picture = np.full((32, 32, 3), 255, dtype=np.uint8)
        picture[8:24, 8:24] = (200, 0, 0)
        found = edge_map(picture, 20, 60)
        assert found.shape == (32, 32)
        assert set(np.unique(found)) == {0, 255}
        assert (found[:6] == 255).all()
        assert (found[12:20, 12:20] == 255).all()
        assert (found[12:20, 6:10] == 0).any(axis=1).all()

    def test_an_edge_of_one_channel_counts(self) -> None:
        for channel in range(3):
            picture = np.zeros((16, 16, 3), dtype=np.uint8)
            picture[:, 8:, channel] = 200
            assert (edge_map(picture, 20, 60) == 0).any()

    def test_it_is_cannys_method_after_a_blur(self) -> None:
        picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        channels = [cv2.Canny(cv2.GaussianBlur(picture[..., c].copy(), (3, 3), 0), 30, 90) for c in range(3)]
        assert (edge_map(picture, 30, 90) == 255 - np.maximum.reduce(channels)).all()

    def test_thresholds_change_what_is_drawn(self) -> None:
        picture = np.zeros((16, 16, 3), dtype=np.uint8)
        picture[:, 8:] = 12
        assert (edge_map(picture, 5, 10) == 0).any()
        assert (edge_map(picture, 20, 60) == 255).all()

    def test_every_picture_becomes_a_png_of_its_name_and_size(self, pictures: Pictures, tmp_path: Path) -> None:
        a = pictures("a", 2, (10, 14))
        (a / "sub").mkdir()
        Image.new("RGB", (7, 5)).save(a / "sub" / "x.jpg")
        assert edges(a, tmp_path / "out", low=20, high=60) == 3
        assert files(tmp_path / "out") == ["00.png", "01.png", "sub/x.png"]
        with Image.open(tmp_path / "out" / "sub" / "x.png") as image:
            assert image.size == (7, 5)

    def test_pictures_that_differ_in_their_suffix_alone_do_not_meet(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        for name in ("x.jpg", "x.png", "y.bmp"):
            Image.new("RGB", (8, 8)).save(tmp_path / "a" / name)
        edges(tmp_path / "a", tmp_path / "out", low=20, high=60)
        assert files(tmp_path / "out") == ["x.jpg.png", "x.png.png", "y.png"]

    def test_bad_pictures_stop_it_and_leave_nothing(self, pictures: Pictures, tmp_path: Path) -> None:
        a = pictures("a", 3)
        (a / "01.png").write_bytes(b"")
        with pytest.raises(UserError) as caught:
            edges(a, tmp_path / "out", low=20, high=60)
        assert "01.png: empty file" in str(caught.value)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        assert edges(a, tmp_path / "out", low=20, high=60, skip_bad=True) == 2

    @pytest.mark.parametrize(("low", "high"), [(-1, 60), (60, 20)])
    def test_thresholds_that_make_no_sense(self, pictures: Pictures, tmp_path: Path, low: float, high: float) -> None:
        with pytest.raises(UsageError, match="--low"):
            edges(pictures("a", 2), tmp_path / "out", low=low, high=high)
