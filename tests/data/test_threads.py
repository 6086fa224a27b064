from __future__ import annotations

import threading
import time

import pytest

from unpaired.data import threads
from unpaired.data.threads import in_threads, num_cpus


def test_results_come_in_order_whatever_takes_long() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert list(in_threads(slow_first, range(600))) == [i * i for i in range(600)]


def test_few_results_wait_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_CHUNK", 4)
    started: list[int] = []
    results = in_threads(lambda item: started.append(item) or item, range(100))
    assert next(results) == 0
    assert len(started) <= 4
    results.close()


def test_an_error_comes_out_and_stops_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_CHUNK", 4)
    done: list[int] = []

    def fail(item: int) -> None:
        done.append(item)
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        list(in_threads(fail, range(100)))
    assert len(done) <= 4
    assert threading.active_count() < 20


def test_the_number_of_processors_is_sensible() -> None:
    assert 1 <= num_cpus() <= threads.MAX_AT_ONCE


@pytest.mark.parametrize(("num_processes", "expected"), [("", 4), ("1", 4), ("2", 2), ("3", 1), ("9", 1)])
def test_processes_of_one_machine_share_its_processors(
    monkeypatch: pytest.MonkeyPatch, num_processes: str, expected: int
) -> None:
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", num_processes)
    assert num_cpus() == expected
