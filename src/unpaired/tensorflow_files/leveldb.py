"""Reads a sorted table in LevelDB's format, which TensorFlow keeps the index of a checkpoint in.

Blocks of key and value pairs, each block with a checksum; an index block says where they lie, and the footer at the end
of the file where the index block lies. Format: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

from collections.abc import Iterator

from unpaired.tensorflow_files.crc32c import masked_crc32c
from unpaired.tensorflow_files.protobuf import DamagedError, read_varint, take

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_UNCOMPRESSED = 0


def entries(table: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Every key and value of `table` in the order of the keys. Raises `DamagedError` when it is torn or no table."""
    footer = table[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise DamagedError("the mark of a TensorFlow index is missing at its end")
    _, position = _handle(footer, 0)  # of the block of filters, which is empty
    index, _ = _handle(footer, position)
    for _, handle in _block_entries(_block(table, *index)):
        location, _ = _handle(handle, 0)
        yield from _block_entries(_block(table, *location))


def _handle(data: memoryview, position: int) -> tuple[tuple[int, int], int]:
    """Where a block lies (offset and size), and the position after that."""
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (offset, size), position


def _block(table: memoryview, offset: int, size: int) -> memoryview:
    """The pairs of a block, without the list of its restart points. Raises `DamagedError` on a wrong checksum."""
    checked, end = take(table, offset, size + 1)  # the kind of compression counts
    stored, _ = take(table, end, 4)
    if masked_crc32c(checked) != int.from_bytes(stored, "little"):
        raise DamagedError("a wrong checksum")
    if checked[size] != _UNCOMPRESSED:
        raise DamagedError("its index is compressed, which TensorFlow 1.2 and later do not do")
    block = checked[:size]
    num_restarts = int.from_bytes(block[-4:], "little")
    pairs_end = len(block) - 4 - 4 * num_restarts
    if pairs_end < 0:
        raise DamagedError("a block shorter than its list of restart points")
    return block[:pairs_end]


def _block_entries(pairs: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Keys are stored as the number of bytes that they share with the key before, and the rest."""
    key, position = b"", 0
    while position < len(pairs):
        num_shared, position = read_varint(pairs, position)
        num_own, position = read_varint(pairs, position)
        value_size, position = read_varint(pairs, position)
        own, position = take(pairs, position, num_own)
        value, position = take(pairs, position, value_size)
        if num_shared > len(key):
            raise DamagedError("a key that starts like a longer one")
        key = key[:num_shared] + bytes(own)
        yield key, value
