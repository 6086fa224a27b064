"""Reads TensorFlow's checkpoints (of version 2: `NAME.index` and `NAME.data-00000-of-00001`) without TensorFlow.

The index says for every tensor its type, shape, place in the data files and checksum
(`tensorflow/core/protobuf/tensor_bundle.proto`). The data files are the numbers alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from unpaired.errors import UserError
from unpaired.tensorflow_files import leveldb
from unpaired.tensorflow_files.crc32c import masked_crc32c
from unpaired.tensorflow_files.dtypes import NUMPY_DTYPES
from unpaired.tensorflow_files.protobuf import DamagedError, fields, tensor_shape, text

Array = npt.NDArray[Any]

HEADER_KEY = b""
SLICE_KEY = b"\0"  # what the keys of a sliced tensor's parts start with; the tensor has its own key too
HEADER_NUM_SHARDS, HEADER_ENDIANNESS = 1, 2
ENTRY_DTYPE, ENTRY_SHAPE, ENTRY_SHARD, ENTRY_OFFSET, ENTRY_SIZE, ENTRY_CRC, ENTRY_SLICES = range(1, 8)
_NUM_NAMES_SHOWN = 3


@dataclass(frozen=True)
class _Entry:
    """What the index says about one tensor."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


def find_prefix(path: Path) -> Path:
    """The checkpoint that `path` means, as the name that its files have in common.

    `path` is that name, one of the files, or a folder: then what its file `checkpoint` names, else the only checkpoint
    there. Raises `UserError` when there is none, or no telling which.
    """
    if path.is_dir():
        return _prefix_in(path)
    prefix = path.with_name(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name))
    if not _index(prefix).is_file():
        raise UserError(
            f"{_index(prefix)}: there is no such file",
            "A TensorFlow checkpoint is NAME.index with NAME.data-00000-of-00001: keep them together, and give NAME.",
        )
    return prefix


def read_checkpoint(prefix: Path, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, Array]:
    """The tensors whose names are `wanted` of the checkpoint `prefix.index`, by name; text is left out.

    Only what is wanted is read, and its checksums are compared: a full U-GAT-IT with its optimizer is 8 GB. Raises
    `UserError` when a file is missing, torn or damaged.
    """
    index = _index(prefix)
    try:
        num_shards, entries = _read_index(memoryview(index.read_bytes()), wanted)
    except DamagedError as error:
        raise UserError(
            f"{index}: is torn or not the index of a TensorFlow checkpoint ({error})", "Fetch or copy it again."
        ) from error
    except OSError as error:
        raise UserError(f"{index}: cannot be read ({error})", "Check the file and its permissions.") from error
    found: dict[str, Array] = {}
    for shard in sorted({entry.shard for entry in entries.values()}):
        here = {name: entry for name, entry in entries.items() if entry.shard == shard}
        found |= _read_shard(_data(prefix, shard, num_shards), here)
    return {name: found[name] for name in entries}


def _index(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def _data(prefix: Path, shard: int, num_shards: int) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{num_shards:05d}")


def _prefix_in(folder: Path) -> Path:
    named = _named_in(folder / "checkpoint")
    if named is not None and _index(folder / named).is_file():
        return folder / named
    found = sorted(path.name.removesuffix(".index") for path in folder.glob("*.index"))
    if not found:
        raise UserError(
            f"{folder}: holds no TensorFlow checkpoint: no file that ends in .index",
            "Give the folder that holds NAME.index and NAME.data-00000-of-00001.",
        )
    if len(found) > 1:
        shown = ", ".join(found[:_NUM_NAMES_SHOWN]) + (", …" if len(found) > _NUM_NAMES_SHOWN else "")
        raise UserError(
            f"{folder}: holds {len(found)} TensorFlow checkpoints: {shown}", f"Name one, as {folder / found[-1]}."
        )
    return folder / found[0]


def _named_in(state_file: Path) -> str | None:
    """The name, without folders, of the newest checkpoint by the file `checkpoint`; None where that does not help."""
    if not state_file.is_file():
        return None
    content = state_file.read_text(encoding="utf-8", errors="replace")
    match = re.search(r'^model_checkpoint_path: "(.+)"$', content, re.MULTILINE)
    # The folder may be one of another computer, and of another system.
    return re.split(r"[/\\]", match[1])[-1] if match else None


def _read_index(table: memoryview, wanted: Callable[[str], bool]) -> tuple[int, dict[str, _Entry]]:
    """How many data files there are, and where every wanted tensor of numbers lies."""
    num_shards, found = None, {}
    for key, value in leveldb.entries(table):
        if key == HEADER_KEY:
            header = {field.number: field.value for field in fields(value)}
            num_shards = header.get(HEADER_NUM_SHARDS, 0)
            if header.get(HEADER_ENDIANNESS, 0) != 0:
                raise DamagedError("it was written by a big-endian computer")
        elif not key.startswith(SLICE_KEY) and wanted(name := text(memoryview(key))):
            entry = _entry(name, value)
            if entry is not None:
                found[name] = entry
    if num_shards is None:
        raise DamagedError("it has no header")
    lost = next((name for name, entry in found.items() if entry.shard >= num_shards), None)
    if lost is not None:
        raise DamagedError(f"{lost} lies in data file {found[lost].shard} of {num_shards}")
    return num_shards, found


def _entry(name: str, message: memoryview) -> _Entry | None:
    """Where a tensor lies; None when it holds text or a kind of number that numpy does not have."""
    parts = {field.number: field for field in fields(message)}

    def number(key: int) -> int:
        return parts[key].value if key in parts else 0  # what is 0 is not written

    dtype = NUMPY_DTYPES.get(number(ENTRY_DTYPE))
    if dtype is None:
        return None
    if ENTRY_SLICES in parts:
        raise DamagedError(f"{name} is stored in slices")
    shape = tensor_shape(parts[ENTRY_SHAPE].data) if ENTRY_SHAPE in parts else ()
    size = number(ENTRY_SIZE)
    if size != math.prod(shape) * dtype.itemsize:
        raise DamagedError(f"{size} bytes for {name} of shape {shape}")
    return _Entry(dtype, shape, number(ENTRY_SHARD), number(ENTRY_OFFSET), size, number(ENTRY_CRC))


def _read_shard(path: Path, entries: dict[str, _Entry]) -> dict[str, Array]:
    """The tensors that lie in one data file."""
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file, and {next(iter(entries))} lies in it",
            "Copy every file of the checkpoint into one folder: the .index alone holds no weights.",
        )
    needed, there = max(entry.offset + entry.size for entry in entries.values()), path.stat().st_size
    if there < needed:
        raise UserError(f"{path}: is torn: {there} of at least {needed} bytes", "Fetch or copy it again.")
    try:
        with path.open("rb") as file:
            in_order = sorted(entries.items(), key=lambda item: item[1].offset)
            return {name: _read_tensor(file, name, entry) for name, entry in in_order}
    except DamagedError as error:
        raise UserError(f"{path}: is damaged: {error}", "Fetch or copy it again.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error})", "Check the file and its permissions.") from error


def _read_tensor(file: BinaryIO, name: str, entry: _Entry) -> Array:
    file.seek(entry.offset)
    raw = file.read(entry.size)
    if masked_crc32c(memoryview(raw)) != entry.crc:
        raise DamagedError(f"the checksum of {name} is wrong")
    return np.frombuffer(raw, entry.dtype).reshape(entry.shape)
