"""The same work on many pictures at once. Decoding is native code that leaves Python free, so threads are enough."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MAX_AT_ONCE = 8
_CHUNK = 256  # results that may wait for the slowest, and work that goes on after an error

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_cpus() -> int:
    """The processors that this process may use, at most `MAX_AT_ONCE`.

    Of several processes that a launcher started on this machine each may use its part.
    """
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    num_processes = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
    return max(1, min(MAX_AT_ONCE, allowed // num_processes))


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The result of `work` for each of `items`, in their order."""
    with ThreadPoolExecutor(num_cpus()) as pool:
        for start in range(0, len(items), _CHUNK):
            yield from pool.map(work, items[start : start + _CHUNK])
