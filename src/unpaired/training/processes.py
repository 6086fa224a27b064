"""The processes that torchrun, accelerate or a cluster started for one run: how they agree, wait and fail together.

They talk through the store at MASTER_ADDR:MASTER_PORT, beside what the steps exchange. It is there before a device is
chosen, and waiting on it knows no time limit: an evaluation may take an hour, which a collective operation may not.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from unpaired.config import RunConfig, to_dict
from unpaired.errors import Problem, UsageError, UserError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

SECONDS_BETWEEN_LOOKS = 0.02
SECONDS_BETWEEN_ROLL_CALLS = 0.5
GRACE_SECONDS = 3.0
"""How long a process waits for the others to end: for the one that failed to say why, for a slow one to finish."""

_runs = itertools.count()


class Processes:
    """One process among `world_size`; number 0 is the main one, which alone writes and speaks."""

    def __init__(self, store: Store | None = None, rank: int = 0, world_size: int = 1) -> None:
        self._store = store
        self.rank, self.world_size = rank, world_size
        self.is_main = rank == 0
        self._num_waits = itertools.count()
        self._failure: int | None = None

    def from_main(self, make: Callable[[], str]) -> str:
        """What `make` gives in the main process, in every process."""
        if self._store is None:
            return make()
        key = f"from_main/{next(self._num_waits)}"
        if self.is_main:
            self._store.set(key, make())
        self._wait_for(key)
        return self._store.get(key).decode()

    def wait_for_main(self) -> None:
        """Return when the main process has come here too, however long that takes. It does not wait for the others."""
        self.from_main(str)

    def fail(self, exit_code: int) -> bool:
        """Have all processes end with `exit_code`, and return True; False when another one has failed before."""
        assert self._store is not None
        if self._failure is not None:
            return False
        mine = f"{exit_code} of {self.rank}".encode()
        try:
            first: bytes = self._store.compare_set("failure", "", mine.decode())
        except RuntimeError:  # the process that held the store went without a word
            return True
        if first == mine and self.is_main:  # the store may end with it: first the others shall know
            time.sleep(2 * SECONDS_BETWEEN_ROLL_CALLS)
        return first == mine

    def failure(self) -> int | None:
        """The exit code of the first process that failed; None while there is none."""
        assert self._store is not None
        if self._failure is None:
            try:
                if self._store.check(["failure"]):
                    self._failure = int(self._store.get("failure").split()[0])
            except RuntimeError:  # as above
                return 1
        return self._failure

    def leave(self) -> None:
        """Return when this process may end: the main one, which holds the store, waits a while for the others."""
        assert self._store is not None
        self._store.set(f"left/{self.rank}", "")
        others = [f"left/{rank}" for rank in range(self.world_size)] if self.is_main else []
        deadline = time.monotonic() + GRACE_SECONDS
        while others and not self._store.check(others) and time.monotonic() < deadline:
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _wait_for(self, key: str) -> None:
        assert self._store is not None
        while not self._store.check([key]):
            if (code := self.failure()) is not None:
                raise SystemExit(code)
            time.sleep(SECONDS_BETWEEN_LOOKS)


ALONE = Processes()
"""The only process of its run."""


@contextlib.contextmanager
def together() -> Iterator[Processes]:
    """The processes of this run. When the block raises in one of them, all end, with the exit code of that one.

    Only the first that fails raises its error; the others end without a word, wherever they are: one that waits for an
    answer which will not come cannot be reached in any other way.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) < 2:
        yield ALONE
        return
    processes = _joined()
    if not processes.is_main:
        from rich import get_console

        get_console().quiet = True
    ended = threading.Event()
    watch = threading.Thread(target=_end_with_others, args=(processes, ended), daemon=True)
    watch.start()
    try:
        yield processes
    except BaseException as error:
        if not processes.fail(_exit_code(error)):
            raise SystemExit(processes.failure()) from None
        raise
    finally:
        ended.set()
        watch.join()
    processes.leave()


def sharing_problems(config: RunConfig, num_processes: int) -> list[Problem]:
    """Why `num_processes` cannot share the steps of `config` so that together they do what one would."""
    if num_processes == 1:
        return []
    problems = []
    if config.batch_size % num_processes:
        size = max(1, round(config.batch_size / num_processes)) * num_processes
        message = f"--batch {config.batch_size}: cannot be shared equally by {num_processes} processes"
        problems.append(Problem(message, f"It counts the pictures of all processes together: use --batch {size}."))
    networks = {name: part for name, part in to_dict(config.model).items() if isinstance(part, dict)}
    problems += [
        Problem(
            f"model.{network}.{setting}=batch: with {num_processes} processes, none sees the whole batch",
            "Use another norm, such as instance, or one process.",
        )
        for network, part in networks.items()
        for setting, value in part.items()
        if value == "batch"
    ]
    return problems


def refuse_several(message: str, hint: str) -> None:
    """Raise a `UsageError` when this process is one of several."""
    with together() as processes:
        if processes.world_size > 1:
            raise UsageError(f"{message}; there are {processes.world_size}", hint)


def _joined() -> Processes:
    """This process among those that were started with it, when all are there. Raises `UserError`."""
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, world_size = next(rendezvous("env://"))
    except ValueError as error:
        raise UserError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the processes cannot find each other ({error})",
            "Start them with torchrun or accelerate launch. For one process: unset WORLD_SIZE.",
        ) from error
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return Processes(PrefixStore(f"unpaired/{attempt}/{next(_runs)}", store), rank, world_size)


def _end_with_others(processes: Processes, ended: threading.Event) -> None:
    """End this process soon after another one has failed, unless it ends by itself before."""
    while not ended.wait(SECONDS_BETWEEN_ROLL_CALLS):
        code = processes.failure()
        if code is None:
            continue
        if not ended.wait(GRACE_SECONDS):
            sys.stdout.flush()
            os._exit(code)
        return


def _exit_code(error: BaseException) -> int:
    if isinstance(error, UserError):
        return error.exit_code
    return 130 if isinstance(error, KeyboardInterrupt) else 1
