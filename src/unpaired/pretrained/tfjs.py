"""Reads the weights of a tensorflow.js model: a JSON manifest and binary files, some tensors quantised.

A manifest is a list of groups, each with `paths` (files that make one stream of bytes together) and `weights` (tensors
that follow each other in that stream). A quantised number q stands for q · scale + min (tensorflow.js, `io`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unpaired.errors import UserError

_TYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2", "bool": "?"}


def read_weights(manifest: Path) -> dict[str, NDArray[Any]]:
    """The tensors that `manifest` names, by name; quantised ones as float32.

    Raises `UserError` when the manifest is no manifest, or a file is missing, torn or too long.
    """
    tensors: dict[str, NDArray[Any]] = {}
    try:
        groups = json.loads(manifest.read_text(encoding="utf-8"))
        for group in groups:
            stream = b"".join(_read(manifest.parent / path) for path in group["paths"])
            tensors |= _split(stream, group["weights"], manifest)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(
            f"{manifest}: is not a weights manifest of tensorflow.js ({error})", "Fetch or copy it again."
        ) from error
    return tensors


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file, but the manifest beside it names it", "Fetch it again.")
    return path.read_bytes()


def _split(stream: bytes, entries: list[Mapping[str, Any]], manifest: Path) -> dict[str, NDArray[Any]]:
    types = [np.dtype(_TYPES[entry.get("quantization", entry)["dtype"]]) for entry in entries]
    lengths = [stored.itemsize * math.prod(entry["shape"]) for stored, entry in zip(types, entries, strict=True)]
    if len(stream) != sum(lengths):
        raise UserError(
            f"{manifest}: its tensors need {sum(lengths):,} bytes, its files hold {len(stream):,}", "Fetch them again."
        )
    ends = list(accumulate(lengths))
    return {
        entry["name"]: _restore(np.frombuffer(stream[end - length : end], stored).reshape(entry["shape"]), entry)
        for entry, stored, length, end in zip(entries, types, lengths, ends, strict=True)
    }


def _restore(values: NDArray[Any], entry: Mapping[str, Any]) -> NDArray[Any]:
    """`values` as they were before they were quantised; float16 was only rounded."""
    quantization = entry.get("quantization")
    if quantization is None:
        return values
    if quantization["dtype"] == "float16":
        return values.astype(np.float32)
    restored = values * np.float64(quantization["scale"]) + np.float64(quantization["min"])
    return np.asarray(restored, np.float32)
