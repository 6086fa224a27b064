"""What processes of one run say to each other, with threads in their place and a store in memory between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from torch.distributed import HashStore, PrefixStore

from unpaired.errors import UsageError, UserError
from unpaired.models.munit.config import MunitConfig
from unpaired.training import processes as module
from unpaired.training.processes import ALONE, Processes, refuse_several, sharing_problems, together


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_ROLL_CALLS", 0.01)
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.05)


@pytest.fixture
def pair() -> tuple[Processes, Processes]:
    store = HashStore()
    return Processes(store, 0, 2), Processes(store, 1, 2)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_all_get_what_the_main_process_makes(pair):
    main, other = pair
    made = [lambda: "first", lambda: "second"]
    for make in made:
        assert at_once(lambda: other.from_main(pytest.fail), lambda make=make: main.from_main(make)) == [make()] * 2


def test_the_others_wait_for_the_main_process_and_it_does_not_for_them(pair):
    main, other = pair
    order: list[str] = []

    def wait() -> None:
        other.wait_for_main()
        order.append("other")

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(0.2)
    order.append("main")
    main.wait_for_main()
    thread.join()
    main.wait_for_main()
    assert order == ["main", "other"]


def test_only_the_first_failure_counts_and_ends_those_who_wait(pair):
    main, other = pair
    assert other.failure() is None
    assert main.fail(2)
    assert not other.fail(1)
    assert main.failure() == other.failure() == 2
    with pytest.raises(SystemExit) as ended:
        other.wait_for_main()
    assert ended.value.code == 2


def test_when_the_store_is_gone_its_process_has_failed():
    class Gone:
        def check(self, *_):
            raise RuntimeError("Connection reset by peer")

        compare_set = check

    left = Processes(Gone(), 1, 2)
    assert left.failure() == 1
    assert left.fail(2), "nobody else can have said why"


def test_alone_there_is_nobody_to_wait_for(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with together() as processes:
        assert processes is ALONE
    assert ALONE.is_main
    assert ALONE.from_main(lambda: "mine") == "mine"
    ALONE.wait_for_main()
    refuse_several("this", "that")


class TestTogether:
    @pytest.fixture
    def others(self, monkeypatch) -> Processes:
        """This process is number 0 of two; the other one as seen by the test."""
        store = PrefixStore("run", HashStore())
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setattr(module, "_joined", lambda: Processes(store, 0, 2))
        return Processes(store, 1, 2)

    @pytest.mark.parametrize(
        ("error", "code"),
        [(UsageError("wrong"), 2), (UserError("failed"), 1), (KeyboardInterrupt(), 130), (ValueError("a bug"), 1)],
    )
    def test_the_first_that_fails_says_so_and_the_others_learn_its_exit_code(self, others, error, code):
        with pytest.raises(type(error)), together():
            raise error
        assert others.failure() == code

    def test_an_error_after_that_of_another_process_stays_unsaid(self, others):
        others.fail(143)
        with pytest.raises(SystemExit) as ended, together():
            raise UserError("only what follows from it")
        assert ended.value.code == 143
        assert ended.value.__cause__ is None
        assert ended.value.__suppress_context__

    def test_a_process_that_does_not_notice_is_ended(self, others, monkeypatch):
        codes: list[int] = []
        ended = threading.Event()
        monkeypatch.setattr(module.os, "_exit", lambda code: (codes.append(code), ended.set()))
        with together():
            others.fail(2)
            assert ended.wait(60)
        assert codes == [2]

    def test_several_can_be_refused(self, others):
        with pytest.raises(UsageError, match=r"this; there are 2\n  that"):
            refuse_several("this", "that")


def test_processes_that_cannot_find_each_other_say_what_is_missing(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="RANK expected") as error, together():
        pass
    assert "torchrun" in str(error.value)


def test_a_batch_is_shared_equally_or_not_at_all(changed):
    assert sharing_problems(changed(batch_size=6), 3) == []
    assert sharing_problems(changed(batch_size=1), 1) == []
    for batch_size, num_processes, hint in ((1, 4, 4), (6, 4, 8), (9, 4, 8), (15, 2, 16)):
        (problem,) = sharing_problems(changed(batch_size=batch_size), num_processes)
        assert f"--batch {batch_size}: cannot be shared equally by {num_processes} processes" in problem.message
        assert f"--batch {hint}" in problem.hint


def test_batch_norm_would_make_several_processes_differ_from_one(changed, config):
    model: MunitConfig = config.model
    model = replace(model, generator=replace(model.generator, content_norm="batch"))
    assert sharing_problems(changed(model=model), 1) == []
    (problem,) = sharing_problems(changed(model=model), 2)
    assert problem.message.startswith("model.generator.content_norm=batch")
