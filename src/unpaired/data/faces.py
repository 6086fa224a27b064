"""Where the faces are: found once before a training, kept in a file beside the pictures, carried into the batches.

This module knows nothing of how faces are found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, PositiveInt, TypeAdapter, ValidationError
from torch import Tensor

from unpaired.data.images import Size
from unpaired.data.listing import counted
from unpaired.errors import Problem, UserError

FILE_NAME = "faces.json"
"""The box file of a folder of pictures lies in it under this name."""

FORMAT = 1

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the width and height of the upright picture: of any size of it."""

Boxes = NDArray[np.float64]
"""Boxes (N, 4): left, top, right, bottom. A row of NaN is a picture without a face."""

Point = tuple[FiniteFloat, FiniteFloat]


@dataclass(frozen=True)
class Face:
    """A face in a picture, in pixels of the upright picture: left, top, right, bottom, which may lie outside of it.

    `score` is the detector's certainty, 0 to 1. `landmarks` are (x, y) of both eyes, the nose and both corners of the
    mouth, or none.
    """

    box: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    score: Annotated[FiniteFloat, Field(ge=0, le=1)]
    landmarks: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (left < right and top < bottom):
            raise ValueError(f"the box {self.box} is empty")

    @property
    def area(self) -> float:
        """Square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@dataclass(frozen=True)
class PictureFaces:
    """The faces in one picture of `size` (height, width), whose file has `num_bytes`."""

    size: tuple[PositiveInt, PositiveInt]
    num_bytes: int
    faces: tuple[Face, ...]

    def largest(self) -> Box | None:
        """The largest face, as fractions of the picture; None when there is none."""
        if not self.faces:
            return None
        height, width = self.size
        left, top, right, bottom = max(self.faces, key=lambda face: face.area).box
        return left / width, top / height, right / width, bottom / height


@dataclass(frozen=True)
class BoxFile:
    """What a box file holds. The keys of `pictures` are paths below the folder, with forward slashes."""

    kind: Literal["faces"]
    format: Literal[1]
    detector: str
    pictures: dict[str, PictureFaces]


_BOX_FILE = TypeAdapter(BoxFile)


def write_faces(folder: Path, detector: str, pictures: Mapping[Path, PictureFaces]) -> Path:
    """The box file of `folder`, written with the faces in the `pictures`, whose paths lie below it.

    `detector` says how they were found. A file that was there is replaced, never left half written. Raises `UserError`.
    """
    target = folder / FILE_NAME
    partial = folder / f".{FILE_NAME}.{os.getpid()}.partial"
    try:
        partial.write_text(_as_text(folder, detector, pictures), encoding="utf-8", newline="\n")
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(
            f"{target}: cannot be written ({error.strerror})", "Check the permissions of the folder and the free space."
        ) from error
    return target


def open_faces(name: str, folder: Path, pictures: Sequence[Path]) -> tuple[dict[Path, Box], list[Problem]]:
    """The largest face of each of the `pictures` in `folder` that has one, and what is wrong with its box file.

    Messages call the folder `name`. Every picture has to be in the file, with the number of bytes that it has now: the
    file of another set of pictures, or of these before they were changed, is refused.
    """
    target = folder / FILE_NAME
    make_it = f"unpaired data faces {folder}"
    try:
        content = target.read_bytes()
    except FileNotFoundError:
        return {}, [Problem(f"{name}: has no {FILE_NAME}, the file of its face boxes", f"Find the faces: {make_it}")]
    except OSError as error:
        return {}, [Problem(f"{target}: cannot be read ({error.strerror})", "Check its permissions.")]
    try:
        records = _BOX_FILE.validate_json(content).pictures
    except ValidationError as error:
        return {}, [Problem(f"{target}: {_why_not_ours(error)}", f"Find the faces again: {make_it}")]
    if stranger := _stranger(target, folder, pictures, records):
        return {}, [Problem(stranger, f"Find the faces again: {make_it}")]
    found = {path: box for path in pictures if (box := records[_key(folder, path)].largest())}
    return found, [] if found else [no_face_problem(str(target), len(pictures), make_it)]


def no_face_problem(name: str, num_pictures: int, make_it: str) -> Problem:
    """What to say when no picture has a face; `make_it` is the command that finds them."""
    return Problem(
        f"{name}: no face found in any of {counted(num_pictures, 'picture')}",
        f"If the pictures are cropped or drawn faces, take each as a whole: {make_it} --whole",
    )


def boxes_of(pictures: Sequence[Path], faces: Mapping[Path, Box]) -> Boxes:
    """The boxes (N, 4) of the `pictures` in their order, as fractions."""
    none = (np.nan,) * 4
    return np.array([faces.get(path, none) for path in pictures], dtype=np.float64).reshape(-1, 4)


@dataclass(frozen=True)
class FaceBoxes:
    """The faces in a batch of pictures.

    `boxes` (N, 4) float32: left, top, right, bottom in pixels of the pictures in the batch, which they may overlap.
    `present` (N,) bool: whether there is a face; the box of a picture without one is the whole picture.
    """

    boxes: Tensor
    present: Tensor

    @classmethod
    def of(cls, boxes: NDArray[np.floating], size: Size) -> FaceBoxes:
        """From `boxes` (N, 4) in pixels of pictures of `size` (height, width); a row of NaN has no face."""
        values = torch.from_numpy(boxes).to(torch.float32)
        present = ~values.isnan().any(dim=1)
        whole = torch.tensor([0.0, 0.0, size[1], size[0]])
        return cls(torch.where(present.unsqueeze(1), values, whole), present)

    def to(self, device: torch.device | str) -> FaceBoxes:
        """The same on `device`."""
        return FaceBoxes(self.boxes.to(device, non_blocking=True), self.present.to(device, non_blocking=True))

    def pin_memory(self) -> FaceBoxes:
        """The same in memory that is copied to a GPU without waiting."""
        return FaceBoxes(self.boxes.pin_memory(), self.present.pin_memory())

    def __len__(self) -> int:
        return len(self.boxes)


def _key(folder: Path, picture: Path) -> str:
    return picture.relative_to(folder).as_posix()


def _as_text(folder: Path, detector: str, pictures: Mapping[Path, PictureFaces]) -> str:
    """JSON with one line for each picture, so that people and version control can read it."""
    records = {_key(folder, path): asdict(found) for path, found in sorted(pictures.items())}
    lines = [f"{json.dumps(key)}: {json.dumps(record)}" for key, record in records.items()]
    head = json.dumps({"kind": "faces", "format": FORMAT, "detector": detector})[1:-1]
    return "{" + head + ', "pictures": {\n' + ",\n".join(lines) + "\n}}\n"


def _why_not_ours(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return "is torn or is no box file (not valid JSON)"
    if first["loc"] == ("format",):
        return f"has the format {first['input']}; this version reads {FORMAT}"
    where = ".".join(str(part) for part in first["loc"])
    return f"is no box file ({where}: {first['msg'].lower()})"


def _stranger(target: Path, folder: Path, pictures: Sequence[Path], records: Mapping[str, PictureFaces]) -> str | None:
    """What to say when the box file `target` was made for other pictures than these; None when it was not."""
    names = {_key(folder, path): path for path in pictures}
    unknown = [name for name in names if name not in records]
    changed = [name for name, path in names.items() if name in records and _num_bytes(path) != records[name].num_bytes]
    if not unknown and not changed:
        return None
    counts = {"not in it": len(unknown), "changed since": len(changed)}
    reasons = " and ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
    example = (unknown + changed)[0]
    return f"{target}: was made for other pictures: of {len(pictures):,}, {reasons}, such as {example}"


def _num_bytes(path: Path) -> int | None:
    """The size of the file; None when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
