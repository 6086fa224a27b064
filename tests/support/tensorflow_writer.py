"""Writes checkpoints as TensorFlow does, for tests whose networks are too large to keep as files.

`test_checkpoint.py` compares it byte for byte with what TensorFlow itself wrote. For tests only: the index
has to fit into one block (some thousand tensors).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unpaired.tensorflow_files.crc32c import masked_crc32c

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "int64": 9, "bool": 10}
RESTART_EVERY = 16
HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one data file, version 1


def write_checkpoint(prefix: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write `prefix.index` and `prefix.data-00000-of-00001`."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    pairs, data = [(b"", HEADER)], bytearray()
    for name in sorted(tensors):
        raw = np.ascontiguousarray(tensors[name]).tobytes()
        pairs.append((name.encode(), _entry(tensors[name], len(data), raw)))
        data += raw
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(pairs))


def table(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """A LevelDB table of `pairs`, which are in the order of their keys, in one block."""
    block = _block(pairs, RESTART_EVERY)
    assert len(block) < 2**18, "TensorFlow would write a second block"
    content = _with_trailer(block)
    filters = _handle(len(content), 8)
    content += _with_trailer(_block([], RESTART_EVERY))
    index = _block([(_successor(pairs[-1][0]), _handle(0, len(block)))], 1)
    index_handle = _handle(len(content), len(index))
    content += _with_trailer(index)
    return content + (filters + index_handle).ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def varint(value: int) -> bytes:
    """`value` in groups of 7 bits, the lowest first."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    """A field of bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(number: int, value: int) -> bytes:
    """A field of a number; 0 is not written."""
    return varint(number << 3) + varint(value) if value else b""


def _entry(array: np.ndarray, offset: int, raw: bytes) -> bytes:
    shape = b"".join(field(2, number(1, size)) for size in array.shape)
    crc = b"\x35" + masked_crc32c(memoryview(raw)).to_bytes(4, "little")
    return number(1, DTYPES[array.dtype.name]) + field(2, shape) + number(4, offset) + number(5, len(raw)) + crc


def _block(pairs: list[tuple[bytes, bytes]], restart_every: int) -> bytes:
    out, restarts, previous = bytearray(), [0], b""
    for index, (key, value) in enumerate(pairs):
        shared = 0
        if index % restart_every == 0:
            restarts[index // restart_every :] = [len(out)]
        else:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    return bytes(out) + b"".join(start.to_bytes(4, "little") for start in [*restarts, len(restarts)])


def _with_trailer(block: bytes) -> bytes:
    checked = block + b"\0"  # not compressed
    return checked + masked_crc32c(memoryview(checked)).to_bytes(4, "little")


def _handle(offset: int, size: int) -> bytes:
    return varint(offset) + varint(size)


def _successor(key: bytes) -> bytes:
    """A short key after `key`: up to its first byte that can grow, grown."""
    position = next((i for i, byte in enumerate(key) if byte != 0xFF), None)
    return key if position is None else key[:position] + bytes([key[position] + 1])
