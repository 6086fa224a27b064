"""Reads the weights in an ONNX file: its initialisers, by name.

Schema: `onnx/onnx.proto`. The numbers below are those of its fields.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.errors import UserError
from unpaired.tensorflow_files.protobuf import BYTES, DamagedError, fields, text, varints

Values = npt.NDArray[np.float32]

MODEL_GRAPH, GRAPH_INITIALISER = 7, 5
TENSOR_DIMS, TENSOR_TYPE, TENSOR_FLOATS, TENSOR_NAME, TENSOR_RAW = 1, 2, 4, 8, 9
FLOAT = 1


def read_initialisers(path: Path) -> dict[str, Values]:
    """Every float32 initialiser of the network in `path`, by its name; the arrays cannot be written to.

    Raises `UserError` when the file is missing, torn or holds no weights.
    """
    try:
        graphs = [field.data for field in fields(memoryview(path.read_bytes())) if field.number == MODEL_GRAPH]
        tensors = [field.data for graph in graphs for field in fields(graph) if field.number == GRAPH_INITIALISER]
        found = dict(named for tensor in tensors if (named := _named(tensor)))
    except DamagedError as error:
        raise UserError(f"{path}: is torn or no ONNX file ({error})", "Fetch or copy it again.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})", "Check the file and its permissions.") from error
    if not found:
        raise UserError(f"{path}: holds no weights: it is not an ONNX file", "Fetch or copy it again.")
    return found


def _named(tensor: memoryview) -> tuple[str, Values] | None:
    """The name and the values of a TensorProto; None when it is not of float32."""
    name, kind, shape = "", 0, list[int]()
    content: npt.NDArray[Any] | None = None
    for field in fields(tensor):
        if field.number == TENSOR_NAME:
            name = text(field.data)
        elif field.number == TENSOR_TYPE:
            kind = field.value
        elif field.number == TENSOR_DIMS:
            shape += varints(field.data) if field.kind == BYTES else [field.value]
        elif field.number in (TENSOR_FLOATS, TENSOR_RAW) and len(field.data):
            content = np.frombuffer(field.data[: len(field.data) // 4 * 4], "<f4")
    if kind != FLOAT:
        return None
    if content is None or content.size != math.prod(shape):
        raise DamagedError(f"{name} has other values than its shape {tuple(shape)} says")
    return name, content.reshape(shape)
