"""Several translations at once. On a CPU, two that have one core each take less time than one after the other on both.

Numbers stay the same: an operation is divided over cores or not, and each is what it is. What is gained is the waiting
of cores for each other between operations, a fifth to a quarter of the time with two of them (benchmarks/speed).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

_PIXELS = 2**18  # of all pictures that are translated at once: a bound on memory
_AHEAD = 2  # results a stream that may wait to be taken

Item = TypeVar("Item")
Result = TypeVar("Result")


class Streams:
    """Does the same work for many items, as many at once as the CPU has cores for; one by one on other devices."""

    def __init__(self, device: torch.device) -> None:
        self._is_cpu = device.type == "cpu"
        self._pool: ThreadPoolExecutor | None = None
        self._num_streams = 1

    def map(self, work: Callable[[Item], Result], items: Sequence[Item], num_pixels: int) -> Iterator[Result]:
        """The results of `work`, each on `num_pixels` pixels, in the order of `items`.

        `work` runs in other threads, to which torch's contexts, such as `inference_mode`, do not reach.
        """
        pool = self._streams(min(len(items), _PIXELS // num_pixels)) if self._is_cpu else None
        if pool is None:
            yield from map(work, items)
            return
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > _AHEAD * self._num_streams:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _streams(self, most: int) -> ThreadPoolExecutor | None:
        """At most `most` streams, that share the threads torch has here; None for a single one."""
        num_streams = min(most, torch.get_num_threads())
        if num_streams < 2:
            return None
        if self._pool is None or self._num_streams != num_streams:
            self._pool, self._num_streams = _started(num_streams), num_streams
        return self._pool


def _started(num_streams: int) -> ThreadPoolExecutor:
    num_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(num_streams, initializer=_take, initargs=(num_threads // num_streams,))
    everyone = threading.Barrier(num_streams + 1)
    for _ in range(num_streams):
        pool.submit(everyone.wait)
    everyone.wait()
    torch.set_num_threads(num_threads)  # what threads of others, that come later, start with
    return pool


def _take(num_threads: int) -> None:
    """Let this thread have `num_threads` of torch's."""
    torch.get_num_threads()  # torch gives a new thread what others have when it first looks, and would do so later
    torch.set_num_threads(num_threads)
