"""From a trained run to pictures, by every way that leads there; the same bits from the run and from its bundle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image


def pictures(folder: Path) -> dict[str, Image.Image]:
    return {
        path.relative_to(folder).as_posix(): Image.open(path).convert("RGB") for path in sorted(folder.rglob("*.png"))
    }


def assert_same_pictures(first: Path, second: Path) -> None:
    ones, others = list(pictures(first).values()), list(pictures(second).values())
    assert len(ones) == len(others) > 0
    for one, other in zip(ones, others, strict=True):
        assert one.size == other.size
        assert one.tobytes() == other.tobytes()


def test_train_translate_bundle_translate(place: Path, run: Any) -> None:
    assert run("train", "discs2rings", "--config", "tiny.yaml", "--steps", "2", "--out", "run").code == 0
    call = ("discs2rings/testA", "--to", "b", "--styles", "3", "--seed", "5", "--device", "cpu")
    ran = run("translate", "run", *call, "--out", "from_run")
    assert ran.code == 0, ran.err
    assert len(pictures(place / "from_run")) == 9

    assert run("bundle", "run", "--out", "bundle").code == 0
    for name in ("model.safetensors", "config.json", "README.md"):
        assert (place / "bundle" / name).is_file()
    assert run("translate", "bundle", *call, "--out", "from_bundle").code == 0
    assert_same_pictures(place / "from_run", place / "from_bundle")


def test_seeds_and_directions_matter(trained: Path, place: Path, run: Any) -> None:
    def translated(out: str, *how: str) -> list[bytes]:
        ran = run("translate", trained, "discs2rings/testA/00.png", *how, "--out", out, "--device", "cpu")
        assert ran.code == 0, ran.err
        return [picture.tobytes() for picture in pictures(place / out).values()]

    once = translated("once", "--to", "b", "--seed", "1")
    assert translated("again", "--to", "b", "--seed", "1") == once
    assert translated("other", "--to", "b", "--seed", "2") != once
    assert translated("back", "--to", "a", "--seed", "1") != once


def test_the_style_of_an_example_is_used(trained: Path, place: Path, run: Any) -> None:
    for number in ("00", "01"):
        style = f"discs2rings/testB/{number}.png"
        ran = run("translate", trained, "discs2rings/testA/00.png", "--to", "b", "--style", style, "--out", number)
        assert ran.code == 0, ran.err
    (first,), (second,) = pictures(place / "00").values(), pictures(place / "01").values()
    assert first.tobytes() != second.tobytes()


def test_a_saved_style_gives_the_same_picture_again(trained: Path, place: Path, run: Any) -> None:
    call = ("translate", trained, "discs2rings/testA/00.png", "--to", "b", "--device", "cpu")
    assert run(*call, "--seed", "3", "--save-styles", "styles.safetensors", "--out", "drawn").code == 0
    assert run(*call, "--style-code", "styles.safetensors", "--out", "loaded").code == 0
    assert_same_pictures(place / "drawn", place / "loaded")


def test_any_shape_comes_back_in_that_shape(trained: Path, place: Path, run: Any) -> None:
    Image.new("RGB", (75, 41), "orange").save("odd.png")
    ran = run("translate", trained, "odd.png", "--to", "b", "--original-size", "--out", "out")
    assert ran.code == 0, ran.err
    assert [picture.size for picture in pictures(place / "out").values()] == [(75, 41)]


def test_the_installed_program_translates(trained: Path, place: Path) -> None:
    program = Path(sys.executable).with_name("unpaired.exe" if sys.platform == "win32" else "unpaired")
    command = [program, "translate", trained, "discs2rings/testA/00.png", "--to", "b", "--out", "out"]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=place)
    assert ran.returncode == 0, ran.stderr
    assert len(pictures(place / "out")) == 1


def test_an_imported_checkpoint_translates(place: Path, run: Any) -> None:
    golden = Path(__file__).resolve().parents[1] / "golden/munit/default_small"
    ran = run("import", "munit", golden / "gen_00000000.pt", "--config", golden / "config.yaml", "--out", "imported")
    assert ran.code == 0, ran.err
    ran = run("translate", "imported", "discs2rings/testA/00.png", "--to", "b", "--out", "out")
    assert ran.code == 0, ran.err
    assert len(pictures(place / "out")) == 1


def test_translation_imports_only_what_it_needs(place: Path) -> None:
    code = (
        "import sys; from unpaired.cli.app import main\n"
        "code = main(sys.argv[1:])\n"
        "slow = {'accelerate', 'tensorboard', 'torchvision', 'cv2', 'scipy', 'sympy', 'torch._dynamo'}\n"
        "print('LOADED', code, 'torch' in sys.modules, *sorted(slow & set(sys.modules)))"
    )
    call = ("translate", "demo", "discs2rings/testA/00.png", "--to", "b", "--device", "cpu", "--out", "lean")
    ran = subprocess.run([sys.executable, "-c", code, *call], cwd=place, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "LOADED 0 True"
