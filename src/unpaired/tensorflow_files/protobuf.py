"""The wire format of protocol buffers, as far as TensorFlow's files need it: fields by number, varints, tensor shapes.

Messages are read without their schema: whoever calls knows the numbers of the fields. Format:
https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_ELEMENTS = 2**31
_MAX_VARINT_BYTES = 10


class DamagedError(Exception):
    """The bytes are not what they should be; who knows the file's name makes a `UserError` of it."""


class Field(NamedTuple):
    """One field of a message: its number, how it is stored, and its value.

    `value` is the unsigned number of a VARINT, FIXED32 or FIXED64 field and 0 for BYTES; `data` are the bytes of a
    BYTES field (text, a nested message, packed numbers) and empty for the others.
    """

    number: int
    kind: int
    value: int
    data: memoryview


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of `message` in their order. Raises `DamagedError` where it is no message."""
    position = 0
    while position < len(message):
        key, position = read_varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, position = read_varint(message, position)
            yield Field(number, kind, value, message[:0])
        elif kind in (FIXED32, FIXED64):
            data, position = take(message, position, 4 if kind == FIXED32 else 8)
            yield Field(number, kind, int.from_bytes(data, "little"), message[:0])
        elif kind == BYTES:
            length, position = read_varint(message, position)
            data, position = take(message, position, length)
            yield Field(number, kind, 0, data)
        else:
            raise DamagedError(f"a field of unknown kind {kind}")


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """The unsigned 64-bit number that starts at `position`, and the position after it. Raises `DamagedError`."""
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= len(data):
            raise DamagedError("it ends inside a number")
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (2**64 - 1), position + index + 1
    raise DamagedError("a number of more than 10 bytes")


def take(data: memoryview, position: int, length: int) -> tuple[memoryview, int]:
    """The `length` bytes at `position`, and the position after them. Raises `DamagedError` when there are fewer."""
    if position + length > len(data):
        raise DamagedError(f"it ends {position + length - len(data)} bytes too early")
    return data[position : position + length], position + length


def varints(packed: memoryview) -> Iterator[int]:
    """The numbers in a packed field."""
    position = 0
    while position < len(packed):
        value, position = read_varint(packed, position)
        yield value


def text(data: memoryview) -> str:
    """`data` as text. Raises `DamagedError` when it is none."""
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError("a name that is no text") from error


def tensor_shape(message: memoryview) -> tuple[int, ...]:
    """The shape in a TensorShapeProto. Raises `DamagedError` for an unknown size, or an absurd one."""
    dim_field, size_field = 2, 1
    shape = []
    for dim in fields(message):
        if dim.number == dim_field:
            sizes = [size.value for size in fields(dim.data) if size.number == size_field]
            shape.append(sizes[-1] if sizes else 0)  # 0 is the default, which is not written
    # a size of -1 (unknown) is stored as 2^64 - 1
    if math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS or len(shape) > 8:
        raise DamagedError(f"a tensor of shape {tuple(shape)}")
    return tuple(shape)
