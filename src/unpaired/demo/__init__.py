"""What comes with the package (credits are in NOTICE): pictures to train on, a trained model, drawings for it.

The pictures are emoji as two foundries draw them. The model turns line drawings (black on white, domain a) into emoji
(domain b) and back; the drawings are edges of emoji of a third foundry, which it has never seen.
"""

from __future__ import annotations

import zipfile
from importlib.resources import files
from pathlib import Path

from unpaired.errors import UserError

NAME = "noto2twemoji"
MODEL = "demo"


def unpack(folder: Path) -> Path:
    """The data folder below `folder` into which the pictures were written: trainA, trainB, testA and testB.

    Files with the same names are replaced. Raises `UserError` when they cannot be written.
    """
    target = folder / NAME
    try:
        with files("unpaired.demo").joinpath("pictures.zip").open("rb") as file, zipfile.ZipFile(file) as archive:
            archive.extractall(target)
    except OSError as error:
        raise UserError(f"--out {target}: cannot be written ({error.strerror})", "Choose another folder.") from error
    return target


def model_folder() -> Path:
    """The bundle folder of the trained model that comes with the package."""
    return Path(str(files("unpaired.demo").joinpath("model")))


def copy_drawings(folder: Path) -> Path:
    """The folder `drawings` below `folder`, into which the bundled drawings were written.

    Files with the same names are replaced. Raises `UserError` when they cannot be written.
    """
    target = folder / "drawings"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for drawing in files("unpaired.demo").joinpath("drawings").iterdir():
            if drawing.name.endswith(".png"):
                (target / drawing.name).write_bytes(drawing.read_bytes())
    except OSError as error:
        raise UserError(f"--out {target}: cannot be written ({error.strerror})", "Choose another folder.") from error
    return target
