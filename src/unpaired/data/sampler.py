"""Which picture comes when: a pure function of the seed and the position, so that a resumed run needs no saved state.

The same on every platform and in every version of Python and its libraries.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Draw:
    """The picture at one position of the endless order: its index in the folder, and how often all came before it."""

    index: int
    epoch: int


def draw(seed: int, domain: str, position: int, length: int) -> Draw:
    """The picture of `domain`, which has `length` pictures, at `position` (0, 1, 2 …). Each epoch has all of them."""
    assert length > 0, "an empty folder has no order"
    epoch, offset = divmod(position, length)
    return Draw(index=int(_order(seed, domain, epoch, length)[offset]), epoch=epoch)


def positions(step: int, batch_size: int, rank: int, world_size: int) -> range:
    """The positions of the pictures of process `rank` in the update `step`. Processes and steps never share one."""
    start = (step * world_size + rank) * batch_size
    return range(start, start + batch_size)


def mixed_seed(*parts: int | str) -> int:
    """A 64-bit number that any change of `parts` changes altogether."""
    return int.from_bytes(_digest(parts, num_bytes=8), "little")


@lru_cache(maxsize=8)  # two domains, each in one or two epochs
def _order(seed: int, domain: str, epoch: int, length: int) -> NDArray[np.int64]:
    words = np.frombuffer(_digest(("order", seed, domain, epoch), num_bytes=32), dtype="<u4")
    return np.random.RandomState(words).permutation(length)  # numpy never changes what RandomState gives


def _digest(parts: tuple[int | str, ...], num_bytes: int) -> bytes:
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=num_bytes).digest()
