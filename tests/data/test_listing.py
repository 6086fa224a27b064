from __future__ import annotations

import os
from pathlib import Path

import pytest

from unpaired.data.listing import counted, list_pictures, sub_folders


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_pictures_of_all_sub_folders_sorted_by_relative_path(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/z.JPG", "a.png", "Ü/写真.webp", "a/b/c.tiff", "B.bmp", "a-b/x.jpeg", "q.TIF")
    listing = list_pictures(tmp_path)
    names = [listing.name(path) for path in listing.pictures]
    assert names == ["B.bmp", "a-b/x.jpeg", "a.png", "a/b/c.tiff", "a/z.JPG", "b.png", "q.TIF", "Ü/写真.webp"]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "x.png", "._x.png", ".DS_Store", ".thumbnails/x.png", "__MACOSX/._x.png")
    listing = list_pictures(tmp_path)
    assert [path.name for path in listing.pictures] == ["x.png"]
    assert not listing.others


def test_other_files_are_counted_by_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "x.png", "a.txt", "b.TXT", "c.gif", "Makefile")
    listing = list_pictures(tmp_path)
    assert listing.others == {".txt": 2, ".gif": 1, "without suffix": 1}
    assert listing.others_in_words() == "4 other files: 2 .txt, 1 .gif, 1 without suffix"


def test_folders_named_like_pictures_are_searched(tmp_path: Path) -> None:
    touch(tmp_path, "album.png/x.png")
    assert [path.name for path in list_pictures(tmp_path).pictures] == ["x.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "y.png")
    touch(tmp_path / "data", "sub/x.png")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "data" / "sub" / "loop").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "data" / "itself").symlink_to(tmp_path / "data" / "itself")
    listing = list_pictures(tmp_path / "data")
    assert [listing.name(path) for path in listing.pictures] == ["linked/y.png", "sub/x.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_folder_reached_twice_counts_once(tmp_path: Path) -> None:
    touch(tmp_path, "real/x.png")
    (tmp_path / "again").symlink_to(tmp_path / "real", target_is_directory=True)
    assert len(list_pictures(tmp_path).pictures) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_unreadable_sub_folders_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "x.png", "locked/y.png")
    (tmp_path / "locked").chmod(0)
    listing = list_pictures(tmp_path)
    (tmp_path / "locked").chmod(0o755)
    assert listing.unreadable == (tmp_path / "locked",)
    assert len(listing.pictures) == 1


def test_sub_folders_are_sorted_and_not_hidden(tmp_path: Path) -> None:
    touch(tmp_path, "b/x", "a/x", ".git/x", "file")
    assert sub_folders(tmp_path) == ["a", "b"]


def test_numbers_with_their_noun() -> None:
    assert [counted(n, "picture") for n in (0, 1, 1234)] == ["0 pictures", "1 picture", "1,234 pictures"]
