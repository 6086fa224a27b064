from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from unpaired.cli.app import main


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """trainA and trainB with 4 pictures each, 12 high and 10 wide, and testA with one."""
    grey = iter(range(256))
    for part, count in (("trainA", 4), ("trainB", 4), ("testA", 1)):
        (tmp_path / "data" / part).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (10, 12), (next(grey),) * 3).save(tmp_path / "data" / part / f"{number}.png")
    return tmp_path / "data"


def test_check_shows_what_lies_in_the_folders(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_dir / "trainB" / "readme.txt").touch()
    assert main(["data", "check", str(data_dir)]) == 0
    shown = capsys.readouterr().out
    assert "trainA" in shown
    assert "testA" in shown
    assert "12x10 (100%)" in shown
    assert "4 PNG" in shown
    assert "1 .txt" in shown
    assert "No problems found" in shown


def test_check_takes_two_folders(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(data_dir / "trainA"), str(data_dir / "trainB")]) == 0
    assert "No problems found" in capsys.readouterr().out


def test_check_names_bad_and_small_pictures_and_fails(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_dir / "trainA" / "0.png").write_bytes(b"")
    assert main(["data", "check", str(data_dir), "--size", "12x11"]) == 1
    said = capsys.readouterr().err
    assert "trainA: 1 of 4 pictures cannot be read\n  0.png: empty file" in said
    assert "trainB: 4 of 4 pictures smaller than the crop of 12x11" in said
    assert "Traceback" not in said


def test_check_of_a_folder_of_bad_pictures_alone(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (data_dir / "trainB").iterdir():
        path.write_bytes(b"")
    assert main(["data", "check", str(data_dir)]) == 1
    assert capsys.readouterr().err.count("error:") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], ["No folders of pictures were given"]),
        (["check", "nowhere", "--size", "big"], ["DATA_DIR nowhere: there is no such folder", "--size big"]),
        (["check", "nowhere", "neither"], ["A_DIR nowhere", "B_DIR neither"]),
        (["check", "nowhere", "--size", "0"], ["--size 0"]),
        (["split", "nowhere"], ["takes two or three folders, not 1"]),
        (["split", "nowhere", "out", "--test", "2"], ["nowhere: there is no such folder", "--test 2"]),
        (["edges", "nowhere", "out", "--low", "99"], ["nowhere: there is no such folder", "--low 99"]),
        (["edges", "nowhere"], ["out"]),
        (["chekc"], ["chekc"]),
    ],
)
def test_wrong_calls_name_everything_that_is_wrong(
    arguments: list[str],
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == 2
    errors = capsys.readouterr().err
    assert all(text.lower() in errors.lower() for text in said), errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_split_then_check(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["data", "split", str(data_dir / "trainA"), str(data_dir / "trainB"), str(out), "--test", "0.25"]
    assert main(arguments) == 0
    assert f"{out}: testA 1, testB 1, trainA 3, trainB 3" in capsys.readouterr().out
    assert main(["data", "check", str(out)]) == 0
    assert main(arguments) == 2
    assert "exists and is not empty" in capsys.readouterr().err


def test_edges(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_dir / "trainA" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "out"
    arguments = ["data", "edges", str(data_dir / "trainA"), str(out), "--low", "10", "--high", "30"]
    assert main(arguments) == 1
    assert "torn.jpg" in capsys.readouterr().err
    assert not out.exists()
    assert main([*arguments, "--skip-bad"]) == 0
    assert f"{out}: 4 edge maps" in capsys.readouterr().out
    assert len(list(out.iterdir())) == 4
