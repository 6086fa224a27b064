from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpaired.tensorflow_files.crc32c import crc32c, masked_crc32c


def bit_by_bit(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),  # RFC 3720, appendix B.4
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_values(data: bytes, expected: int) -> None:
    assert crc32c(memoryview(data)) == expected


@given(data=st.binary(max_size=200))
def test_short_data_against_the_definition(data: bytes) -> None:
    assert crc32c(memoryview(data)) == bit_by_bit(data)


@pytest.mark.parametrize("size", [1024, 1025, 4097, 20_001])
def test_data_in_several_lanes_against_the_definition(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    assert crc32c(memoryview(data)) == bit_by_bit(data)


def test_data_in_several_chunks() -> None:
    """Published for a file of a gigabyte there is nothing; a checksum followed by itself leaves a known remainder."""
    data = np.random.default_rng(0).integers(0, 256, 2**23 + 12_345, np.uint8).tobytes()
    own = crc32c(memoryview(data))
    assert crc32c(memoryview(data + own.to_bytes(4, "little"))) == 0x48674BC7
    assert crc32c(memoryview(data[:-1] + bytes([data[-1] ^ 1]))) != own


def test_mask() -> None:
    assert masked_crc32c(memoryview(b"foo")) == ((crc32c(memoryview(b"foo")) >> 15 | crc32c(memoryview(b"foo")) << 17)
                                                 + 0xA282EAD8) % 2**32  # fmt: skip
