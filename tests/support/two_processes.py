"""Runs a function in two processes that know of each other, as torchrun starts them, but on a store of the test's own.

The test holds the store, at a port that the system chose: nothing can take it in between.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore

SECONDS = 240


def environment(rank: int, port: int, world_size: int = 2) -> dict[str, str]:
    """What torchrun sets for process `rank`, with the store at `port` of this machine."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": "1",
    }


def make_store() -> TCPStore:
    """A store for processes to meet at; it is there as long as it is held."""
    return TCPStore("localhost", 0, is_master=True, wait_for_workers=False)


def run_in_two(work: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """What `work(rank, *arguments)` returns in each of two processes. Tensors come back through files in `folder`."""
    store = make_store()
    context = multiprocessing.get_context("spawn")
    files = [folder / f"rank{rank}.pt" for rank in range(2)]
    processes = [
        context.Process(target=_work, args=(rank, store.port, files[rank], work, arguments)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
        process.kill()
    found = [torch.load(file, weights_only=False) if file.exists() else "it ended without a word" for file in files]
    failures = [f"process {rank}: {result}" for rank, result in enumerate(found) if isinstance(result, str)]
    assert not failures, "\n".join(failures)
    return found


def _work(rank: int, port: int, file: Path, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ |= environment(rank, port)
    torch.set_num_threads(1)
    try:
        result = work(rank, *arguments)
    except BaseException:
        result = traceback.format_exc()
    torch.save(result, file)
