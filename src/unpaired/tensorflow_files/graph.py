"""Reads the constants of a frozen graph: a `.pb` file that holds a GraphDef whose variables became constants.

Schemas: `tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto`. The numbers below are
those of their fields.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.errors import UserError
from unpaired.tensorflow_files.dtypes import NUMPY_DTYPES
from unpaired.tensorflow_files.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    DamagedError,
    fields,
    tensor_shape,
    text,
    varints,
)

Array = npt.NDArray[Any]

GRAPH_NODE = 1
NODE_NAME, NODE_OP, NODE_ATTR = 1, 2, 5
ENTRY_KEY, ENTRY_VALUE = 1, 2
ATTR_TENSOR = 8
TENSOR_DTYPE, TENSOR_SHAPE, TENSOR_CONTENT = 1, 2, 4
# Small tensors, and those of one value throughout, are lists in a field that depends on numpy's type.
LISTED_IN = {"<f4": 5, "<f8": 6, "<i4": 7, "|u1": 7, "<i2": 7, "|i1": 7, "<i8": 10, "|b1": 11}
MAX_LISTED = 2**24


def read_constants(path: Path) -> dict[str, Array]:
    """Every constant of numbers in the frozen graph at `path`, by its node's name; the arrays cannot be written to.

    Raises `UserError` when the file is missing, torn, no frozen graph, or without a constant.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file", "Give the frozen graph, a file that ends in .pb.")
    try:
        constants = _constants(memoryview(path.read_bytes()))
    except DamagedError as error:
        raise UserError(
            f"{path}: is torn or not a frozen TensorFlow graph ({error})", "Fetch or copy the .pb file again."
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error})", "Check the file and its permissions.") from error
    if not constants:
        raise UserError(
            f"{path}: holds no weights: it is not a frozen TensorFlow graph",
            "Give a graph whose variables were frozen into it, or the checkpoint that belongs to it.",
        )
    return constants


def _constants(graph: memoryview) -> dict[str, Array]:
    found = {}
    for node in fields(graph):
        if node.number == GRAPH_NODE:
            if node.kind != BYTES:
                raise DamagedError("a node that is a number")
            name, tensor = _node(node.data)
            if tensor is not None and (array := _tensor(tensor)) is not None:
                found[name] = array
    return found


def _node(node: memoryview) -> tuple[str, memoryview | None]:
    """The name of a node, and the tensor it holds when it is a constant."""
    name, is_constant, tensor = "", False, None
    for field in fields(node):
        if field.number == NODE_NAME:
            name = text(field.data)
        elif field.number == NODE_OP:
            is_constant = bytes(field.data) == b"Const"
        elif field.number == NODE_ATTR:
            entry = {part.number: part.data for part in fields(field.data)}
            if bytes(entry.get(ENTRY_KEY, b"")) == b"value":
                values = fields(entry.get(ENTRY_VALUE, node[:0]))
                tensor = next((value.data for value in values if value.number == ATTR_TENSOR), None)
    return name, tensor if is_constant else None


def _tensor(message: memoryview) -> Array | None:
    """The array in a TensorProto; None when it holds text or a kind of number that numpy does not have."""
    parts = {field.number: field for field in fields(message)}
    dtype = NUMPY_DTYPES.get(parts[TENSOR_DTYPE].value) if TENSOR_DTYPE in parts else None
    if dtype is None:
        return None
    shape = tensor_shape(parts[TENSOR_SHAPE].data) if TENSOR_SHAPE in parts else ()
    if TENSOR_CONTENT not in parts:
        return _filled(_listed_values(message, dtype), shape)
    content = parts[TENSOR_CONTENT].data
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise DamagedError(f"{len(content)} bytes for a tensor of shape {shape}")
    return np.frombuffer(content, dtype).reshape(shape)


def _listed_values(message: memoryview, dtype: np.dtype[Any]) -> Array:
    """The values that a TensorProto lists: each in a field of its own, or several packed into one."""
    listed = [field for field in fields(message) if field.number == LISTED_IN.get(dtype.str)]
    if dtype.kind == "f":
        single = {FIXED32: 4, FIXED64: 8}
        raw = b"".join(f.value.to_bytes(single[f.kind], "little") if f.kind in single else f.data for f in listed)
        if len(raw) % dtype.itemsize:
            raise DamagedError("a torn list of values")
        return np.frombuffer(raw, dtype)
    values = [value for f in listed for value in ([f.value] if f.kind == VARINT else varints(f.data))]
    return np.array(values, np.uint64).astype(dtype)  # negative numbers are stored modulo 2^64


def _filled(values: Array, shape: tuple[int, ...]) -> Array:
    """`values` in `shape`; where there are fewer, the last one stands for the rest. None at all are zeros."""
    size = math.prod(shape)
    if len(values) <= min(size, 1):  # a view of one value: a damaged shape takes no memory
        return np.broadcast_to(values[0] if len(values) else values.dtype.type(0), shape)
    if len(values) > size or size > MAX_LISTED:
        raise DamagedError(f"{len(values)} values for a tensor of shape {shape}")
    return np.pad(values, (0, size - len(values)), mode="edge").reshape(shape)
