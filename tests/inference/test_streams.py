"""Work on several items at once: in order, as many at once as there are threads and memory for, and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unpaired.inference import streams
from unpaired.inference.streams import in_streams

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def four_threads(torch_threads: Callable[[int], None]) -> None:
    torch_threads(4)


def threads_of(num_items: int, num_pixels: int, device: torch.device = CPU) -> set[tuple[int, int]]:
    """Which threads did the work, with how many threads of torch each."""

    def work(_: int) -> tuple[int, int]:
        time.sleep(0.01)  # so that no thread gets it all
        return threading.get_ident(), torch.get_num_threads()

    return set(in_streams(work, range(num_items), num_pixels, device))


@given(st.lists(st.integers(), max_size=20), st.integers(1, 2**19))
def test_results_come_in_the_order_of_the_items(items, num_pixels):
    assert list(in_streams(lambda item: -item, items, num_pixels, CPU)) == [-item for item in items]


@pytest.mark.parametrize(("num_items", "num_pixels", "num_streams"), [(2, 1, 2), (20, 1, 4), (20, 2**17, 2)])
def test_streams_share_the_threads(num_items, num_pixels, num_streams):
    found = threads_of(num_items, num_pixels)
    assert len(found) == num_streams
    assert {each for _, each in found} == {4 // num_streams}
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("how", [(1, 1), (20, 2**18), (20, 2**20), (20, 1, torch.device("meta"))])
def test_one_item_large_pictures_and_other_devices_are_worked_on_here(how):
    assert threads_of(*how) == {(threading.get_ident(), 4)}


def test_no_more_results_wait_than_are_allowed():
    begun: list[int] = []
    results = in_streams(lambda item: begun.append(item) or item, range(100), 1, CPU)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(begun) <= streams._AHEAD * 4 + 1
    assert list(results) == list(range(1, 100))


def test_an_error_comes_where_its_result_would():
    results = in_streams(lambda item: 1 // item, [2, 1, 0, 1], 1, CPU)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
