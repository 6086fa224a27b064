"""Threads that share torch's: as many as asked for, the same for all, and nobody else's threads change."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest
import torch

from unpaired.layers.pools import pool_of


@pytest.fixture(autouse=True)
def four_threads(torch_threads: Callable[[int], None]) -> None:
    torch_threads(4)


@pytest.mark.parametrize("num_streams", [2, 3, 4])
def test_each_thread_has_its_share(num_streams):
    together = threading.Barrier(num_streams)

    def work(_: int) -> tuple[int, int]:
        together.wait()
        return threading.get_ident(), torch.get_num_threads()

    found = set(pool_of(num_streams).map(work, range(num_streams)))
    assert len(found) == num_streams
    assert {num for _, num in found} == {4 // num_streams}
    assert torch.get_num_threads() == 4


def test_everyone_gets_the_same_threads_until_torch_has_others():
    first = pool_of(2)
    assert pool_of(2) is first
    torch.set_num_threads(2)
    assert pool_of(2) is not first
    assert pool_of(2).submit(torch.get_num_threads).result() == 1


def test_threads_that_come_later_have_all_of_torchs():
    pool_of(4)
    found: list[int] = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert found == [4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_threads_of_its_own():
    pool_of(2)
    child = os.fork()
    if child == 0:  # pragma: no cover  in the child
        done = pool_of(2).submit(lambda: 0).result(timeout=20)
        os._exit(done)
    assert os.waitpid(child, 0)[1] == 0
