"""Threads of this process that share the threads that torch has, for work that is done at once.

Two operations with one core each take less time than one after the other on both: cores wait for each other between
operations, and not within them.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # a forked process has none of the threads


def pool_of(num_streams: int) -> ThreadPoolExecutor:
    """`num_streams` threads that share the threads which torch has here; the same ones for every caller.

    Torch's contexts, such as `inference_mode`, do not reach into them.
    """
    key = num_streams, torch.get_num_threads()
    if key not in _pools:
        _pools[key] = _started(*key)
    return _pools[key]


def _started(num_streams: int, num_threads: int) -> ThreadPoolExecutor:
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
