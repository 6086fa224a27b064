"""The pictures that come with the package: emoji as two foundries draw them (credits are in NOTICE)."""

from __future__ import annotations

import zipfile
from importlib.resources import files
from pathlib import Path

from unpaired.errors import UserError

NAME = "noto2twemoji"


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
