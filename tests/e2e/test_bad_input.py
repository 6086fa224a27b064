"""Every mistake that the program promises to explain: exit code, one to three lines a problem, nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from unpaired import tensorfile
from unpaired.data.faces import Face, PictureFaces, write_faces

USAGE, FAILED = 2, 1


@dataclass(frozen=True)
class Mistake:
    """What is typed after `spoil` has changed the current folder, and what has to be said about it.

    `names`: words of the first line of one problem, in order; `way_out`: words of its other lines.
    """

    what: str
    arguments: tuple[str, ...]
    names: tuple[str, ...]
    way_out: str
    spoil: Callable[[pytest.MonkeyPatch], None] = lambda _: None
    code: int = USAGE
    num_problems: int = 1


def spoiling(change: Callable[[], object]) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda _: (change(), None)[1]


def empty_folder() -> None:
    Path("empty").mkdir()


def folder_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be read. Root may read everything, so the question is answered for it too."""
    locked = Path("locked")
    locked.mkdir()
    forbid(locked, monkeypatch)


def out_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir()
    (Path("locked") / "keep.txt").write_text("", encoding="utf-8")
    forbid(Path("locked"), monkeypatch)


def forbid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absolute, allowed, make = path.absolute(), os.access, os.mkdir

    def access(name: Any, mode: int, **how: Any) -> bool:
        return Path(name).absolute() != absolute and allowed(name, mode, **how)

    def mkdir(name: Any, *how: Any, **more: Any) -> None:
        if absolute in Path(name).absolute().parents:
            raise PermissionError(13, "Permission denied", str(name))
        make(name, *how, **more)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(os, "mkdir", mkdir)


def one_picture_only() -> None:
    for path in sorted(Path("discs2rings/trainA").iterdir())[1:]:
        path.unlink()


def torn_picture() -> None:
    path = Path("discs2rings/trainA/00.png")
    path.write_bytes(path.read_bytes()[:-40])


def empty_file() -> None:
    Path("discs2rings/trainB/01.png").write_bytes(b"")


def animated_picture() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "green")]
    frames[0].save("discs2rings/trainA/moving.webp", save_all=True, append_images=frames[1:])


def torn_style_picture() -> None:
    Path("style.png").write_bytes(Path("discs2rings/testB/00.png").read_bytes()[:-40])


def torn_checkpoint() -> None:
    path = Path("trained/checkpoints/last.safetensors")
    path.write_bytes(path.read_bytes()[:-1000])


def checkpoint_from_elsewhere() -> None:
    path = Path("trained/checkpoints/last.safetensors")
    tensorfile.write(path, {"weight": torch.zeros(2)}, {"kind": "checkpoint", "format": 99})


def checkpoint_of_another_program() -> None:
    Path("trained/checkpoints/last.safetensors").write_bytes(b"PK\x03\x04 not ours")


def no_checkpoint() -> None:
    shutil.rmtree("trained/checkpoints")


def renamed_folder() -> None:
    Path("discs2rings/trainA").rename("discs2rings/train_A")


def faces_of(folder: str) -> None:
    """A box file that takes each picture of `folder` as a face."""
    paths = sorted(Path(folder).glob("*.png"))
    write_faces(
        Path(folder), "test", {p: PictureFaces((40, 40), p.stat().st_size, (Face((0, 0, 40, 40), 1.0),)) for p in paths}
    )


def faces_of_other_pictures() -> None:
    faces_of("discs2rings/trainB")
    Path("discs2rings/trainB/faces.json").rename("discs2rings/trainA/faces.json")


def torn_faces() -> None:
    faces_of("discs2rings/trainA")
    path = Path("discs2rings/trainA/faces.json")
    path.write_bytes(path.read_bytes()[:-30])


def nobodys_faces() -> None:
    paths = sorted(Path("discs2rings/trainA").glob("*.png"))
    records = {path: PictureFaces((40, 40), path.stat().st_size, ()) for path in paths}
    write_faces(Path("discs2rings/trainA"), "test", records)


TRAIN = ("train", "discs2rings", "--config", "tiny.yaml")
WITH_FACES = (*TRAIN, "--face-weight", "1", "--set", "losses.face.weight_ba=0")
TRANSLATE = ("translate", "trained", "discs2rings/testA/00.png", "--to", "b")

MISTAKES = [
    Mistake("missing folder", ("train", "discs2ring"), ("discs2ring", "no such folder"), 'Did you mean "discs2rings"?'),
    Mistake("missing second folder", ("train", "discs2rings/trainA", "absent"), ("absent", "no such folder"), ""),
    Mistake("no folder", ("train", "--config", "tiny.yaml"), ("No folders of pictures",), "unpaired train photos/"),
    Mistake("a file for a folder", ("train", "tiny.yaml"), ("tiny.yaml", "is a file"), "folder"),
    Mistake("no trainA", ("train", "discs2rings"), ("discs2rings", "no trainA"), "train_A", spoiling(renamed_folder)),
    Mistake(
        "empty folder",
        ("train", "discs2rings/trainA", "empty", "--config", "tiny.yaml"),
        ("empty", "holds no pictures"),
        ".png",
        spoiling(empty_folder),
    ),
    Mistake(
        "folder without permission",
        ("train", "discs2rings/trainA", "locked", "--config", "tiny.yaml"),
        ("locked", "no permission"),
        "permissions",
        folder_without_permission,
    ),
    Mistake(
        "the same folder twice",
        ("train", "discs2rings/trainA", "discs2rings/trainA", "--config", "tiny.yaml"),
        ("same folder",),
        "Give one folder for each domain",
    ),
    Mistake("one picture only", TRAIN, ("trainA", "one picture only"), "at least 2", spoiling(one_picture_only)),
    Mistake("torn picture", TRAIN, ("trainA", "1 of 6 pictures"), "00.png: torn", spoiling(torn_picture)),
    Mistake("empty file", TRAIN, ("trainB", "1 of 5 pictures"), "01.png: empty", spoiling(empty_file)),
    Mistake(
        "animated picture", TRAIN, ("trainA", "1 of 7 pictures"), "animated (3 frames)", spoiling(animated_picture)
    ),
    Mistake(
        "pictures smaller than the crop",
        (*TRAIN, "--size", "64", "--set", "data.resize=none"),
        ("6 of 6 pictures", "smaller than the crop", "64x64"),
        "40x40",
        num_problems=4,  # one a folder
    ),
    Mistake("unknown command", ("trian", "discs2rings"), ("trian",), 'Did you mean "train"?'),
    Mistake(
        "unknown model", (*TRAIN, "--model", "munitt"), ("--model munitt", "unknown model"), 'Did you mean "munit"?'
    ),
    Mistake("unknown preset", (*TRAIN, "--preset", "munit64"), ("--preset munit64",), 'Did you mean "munit-64"?'),
    Mistake("unknown flag", (*TRAIN, "--stepz", "5"), ("--stepz", "Did you mean --steps?"), "--help"),
    Mistake("flag without a value", ("train", "discs2rings", "--steps"), ("--steps", "requires"), "--help"),
    Mistake("one word too many", ("doctor", "discs2rings"), ("discs2rings",), "--help"),
    Mistake("three folders", ("train", "one", "two", "three"), ("3 folders",), "Give two folders"),
    Mistake(
        "unknown setting",
        (*TRAIN, "--set", "model.generator.dimm=5"),
        ("--set model.generator.dimm", "unknown setting"),
        'Did you mean "model.generator.dim"?',
    ),
    Mistake("wrong type", (*TRAIN, "--steps", "many"), ("--steps", "'many'"), "int >= 1"),
    Mistake("out of range", (*TRAIN, "--batch", "0"), ("--batch", "0 is not allowed"), "int >= 1"),
    Mistake("wrong choice", (*TRAIN, "--precision", "fp16"), ("--precision", "'fp16'"), "auto | fp32 | bf16"),
    Mistake("size that does not divide", (*TRAIN, "--size", "34"), ("34x34", "multiples of 4"), "32x32 or 36x36"),
    Mistake("size that is too small", (*TRAIN, "--size", "8"), ("8x8", "at least 16"), "Use 16x16"),
    Mistake("no such config file", ("train", "discs2rings", "--config", "absent.yaml"), ("absent.yaml",), "YAML"),
    Mistake(
        "run folder that exists", (*TRAIN, "--out", "trained"), ("--out trained", "already a run"), "--resume trained"
    ),
    Mistake(
        "out that holds other things", (*TRAIN, "--out", "discs2rings"), ("--out discs2rings", "not an empty"), "new"
    ),
    Mistake(
        "out that cannot be written",
        (*TRAIN, "--out", "locked/run"),
        ("--out locked/run", "cannot"),
        "folder you can write to",
        out_without_permission,
    ),
    Mistake(
        "resume of nothing",
        ("train", "--resume", "traned"),
        ("--resume traned", "not a run"),
        'Did you mean "trained"?',
    ),
    Mistake(
        "resume without a checkpoint",
        ("train", "--resume", "trained", "--steps", "9"),
        ("last.safetensors", "no such file"),
        "",
        spoiling(no_checkpoint),
        code=FAILED,
    ),
    Mistake(
        "resume of another model",
        ("train", "--resume", "trained", "--steps", "9", "--set", "model.generator.dim=8"),
        ("--set model.generator.dim 8", "cannot change"),
        "trained with 4",
    ),
    Mistake("resume of a finished run", ("train", "--resume", "trained"), ("already trained",), "--steps", code=FAILED),
    Mistake(
        "torn checkpoint",
        ("train", "--resume", "trained", "--steps", "9"),
        ("last.safetensors", "torn"),
        "",
        spoiling(torn_checkpoint),
        code=FAILED,
    ),
    Mistake(
        "checkpoint from elsewhere",
        ("train", "--resume", "trained", "--steps", "9"),
        ("last.safetensors",),
        "",
        spoiling(checkpoint_from_elsewhere),
        code=FAILED,
    ),
    Mistake(
        "checkpoint of another program",
        ("train", "--resume", "trained", "--steps", "9"),
        ("last.safetensors", "not a safetensors file"),
        "",
        spoiling(checkpoint_of_another_program),
        code=FAILED,
    ),
    Mistake(
        "translate with nothing",
        ("translate", "absent", "discs2rings/testA", "--to", "b"),
        ("absent",),
        "run folder",
    ),
    Mistake("translate to nowhere", (*TRANSLATE[:-1], "c"), ("--to", "c"), "b"),
    Mistake("translate a missing picture", ("translate", "trained", "absent.png", "--to", "b"), ("absent.png",), ""),
    Mistake("missing style picture", (*TRANSLATE, "--style", "absent.png"), ("absent.png",), ""),
    Mistake(
        "style picture unreadable",
        (*TRANSLATE, "--style", "style.png"),
        ("style.png", "torn"),
        "",
        spoiling(torn_style_picture),
    ),
    Mistake(
        "translate with a torn checkpoint",
        TRANSLATE,
        ("last.safetensors", "torn"),
        "",
        spoiling(torn_checkpoint),
    ),
    Mistake(
        "translate into a place that cannot be written",
        (*TRANSLATE, "--out", "locked/new"),
        ("locked/new", "cannot"),
        "",
        out_without_permission,
    ),
    Mistake("import of nothing", ("import", "munit", "absent.pt", "--out", "bundle"), ("absent.pt",), ""),
    Mistake(
        "import of a picture",
        ("import", "munit", "discs2rings/testA/00.png", "--out", "bundle"),
        ("00.png",),
        "",
    ),
    Mistake("bundle of nothing", ("bundle", "absent", "--out", "bundle"), ("absent",), ""),
    Mistake("split of nothing", ("data", "split", "absent", "new"), ("absent",), ""),
    Mistake("split into a full folder", ("data", "split", "discs2rings/trainA", "trained"), ("trained",), ""),
    Mistake(
        "faces where there are none",
        ("data", "faces", "discs2rings/trainA"),
        ("discs2rings/trainA", "no face found in any of 6 pictures"),
        "--whole",
        code=FAILED,
    ),
    Mistake(
        "faces in an empty folder", ("data", "faces", "empty"), ("empty", "no pictures"), ".png", spoiling(empty_folder)
    ),
    Mistake("faces of nothing", ("data", "faces", "discs2ring"), ("discs2ring", "no such"), 'mean "discs2rings"?'),
    Mistake(
        "sheet among the pictures",
        ("data", "faces", "discs2rings/trainA", "--sheet", "discs2rings/trainA/faces.png"),
        ("--sheet discs2rings/trainA/faces.png", "among the pictures"),
        "--sheet",
    ),
    Mistake("training without boxes", WITH_FACES, ("trainA", "no faces.json"), "unpaired data faces"),
    Mistake(
        "boxes of another data set",
        WITH_FACES,
        ("trainA/faces.json", "made for other pictures"),
        "unpaired data faces",
        spoiling(faces_of_other_pictures),
    ),
    Mistake("torn boxes", WITH_FACES, ("trainA/faces.json", "torn"), "unpaired data faces", spoiling(torn_faces)),
    Mistake("boxes without a face", WITH_FACES, ("trainA/faces.json", "no face"), "--whole", spoiling(nobodys_faces)),
    Mistake("edges of nothing", ("data", "edges", "absent", "new"), ("absent",), ""),
    Mistake("check of nothing", ("data", "check", "absent"), ("absent",), ""),
    Mistake("demo with a wrong value", ("demo", "--steps", "few"), ("--steps", "'few'"), "int >= 1"),
]


def files_below(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def problems_in(text: str) -> list[list[str]]:
    """The lines of each problem in what was printed as an error."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("error: "):
            found.append([line])
        else:
            assert found, f"a line belongs to no problem: {line!r} in\n{text}"
            found[-1].append(line)
    return found


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what.replace(" ", "-"))
def test_a_mistake_is_explained(mistake: Mistake, place: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        mistake.spoil(patch)
        before = files_below(place)
        ran = run(*mistake.arguments)
    assert ran.code == mistake.code, ran
    assert "Traceback" not in ran.err
    assert "weights_only" not in ran.err, "nobody is told to load files that may run code"
    problems = problems_in(ran.err)
    assert all(1 <= len(lines) <= 3 for lines in problems), ran.err
    in_order = re.compile(".*".join(re.escape(name) for name in mistake.names))
    about = [lines for lines in problems if in_order.search(lines[0])]
    assert about, f"nothing names {mistake.names} in\n{ran.err}"
    assert mistake.way_out in "\n".join(about[0]), ran.err
    assert len(problems) == mistake.num_problems, ran.err
    assert files_below(place) == before, "something was left behind"


def test_all_problems_of_one_call_are_reported_together(place: Path, run: Any) -> None:
    one_picture_only()
    empty_file()
    ran = run("train", "discs2rings", "--config", "tiny.yaml", "--steps", "0", "--set", "modle=1", "--out", "tiny.yaml")
    assert ran.code == USAGE
    text = "\n".join(lines[0] for lines in problems_in(ran.err))
    for name in ("trainA", "trainB", "--steps", "--set modle", "--out tiny.yaml"):
        assert name in text
    assert not (place / "runs").exists()


def test_skip_bad_leaves_bad_pictures_out(place: Path, run: Any) -> None:
    torn_picture()
    empty_file()
    ran = run("train", "discs2rings", "--config", "tiny.yaml", "--steps", "1", "--skip-bad")
    assert ran.code == 0, ran.err
    assert "00.png" in ran.out + ran.err, "what is left out is named"


def test_debug_shows_where_an_error_comes_from(place: Path) -> None:
    from unpaired.cli.app import main
    from unpaired.errors import UsageError

    with pytest.raises(UsageError):
        main(["train", "absent", "--debug"])
