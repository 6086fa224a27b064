"""`unpaired train` in several processes, as launchers start it: one run, one voice, one end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from torch.distributed import HashStore
from two_processes import environment, make_store

from unpaired import tensorfile
from unpaired.training import processes

SECONDS = 240
LAUNCHERS = {
    "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    "accelerate": ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"],
}
TRAIN = ["-m", "unpaired", "train", "discs2rings", "--config", "tiny.yaml"]


def start(arguments: Sequence[str], env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(*arguments: str) -> tuple[Any, list[subprocess.Popen[str]]]:
    """Two processes without a launcher that would end one when the other fails, and the store that they meet at."""
    store = make_store()
    return store, [start([*TRAIN, *arguments], environment(rank, store.port)) for rank in range(2)]


def ends(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each process."""
    found = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=SECONDS)
            found.append((process.returncode, out, err))
    finally:
        for process in processes:
            process.kill()
    return found


def wait_until(condition: Callable[[], bool], processes: Sequence[subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        alive = all(process.poll() is None for process in processes)
        assert alive, ends(processes)
        assert time.monotonic() < deadline, ends(processes)
        time.sleep(0.05)


def steps(run: str) -> list[int]:
    path = Path(run) / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def saved_step(run: str) -> int:
    return tensorfile.read_header(Path(run) / "checkpoints/last.safetensors")["step"]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_starts_one_run(place: Path, launcher: str) -> None:
    ((code, out, err),) = ends([start([*LAUNCHERS[launcher], *TRAIN, "--steps", "6"])])
    assert code == 0, err
    assert [path.name for path in Path("runs").iterdir()] == ["0001-munit-discs2rings"]
    assert steps("runs/0001-munit-discs2rings") == [1, 2, 3, 4, 5, 6]
    assert out.count("Done: 6 steps.") == 1
    assert out.count("step 6/6") == 1
    assert "Warning" not in err


def test_what_is_wrong_is_said_once_and_nothing_is_written(place: Path) -> None:
    _store, pair = start_two("--batch", "3", "--steps", "none")
    (main, other) = ends(pair)
    assert (main[0], other[0]) == (2, 2)
    assert "error: --batch 3: cannot be shared equally by 2 processes" in main[2]
    assert "error: --steps: 'none' is not allowed" in main[2]
    assert other[1:] == ("", "")
    assert not Path("runs").exists()


def test_a_picture_lost_to_one_process_ends_all_with_one_message(place: Path) -> None:
    _store, pair = start_two(
        "--steps", "100000", "--out", "run", "--set", "data.cache_mib=0", "--set", "data.workers=0"
    )
    wait_until(lambda: len(steps("run")) > 1, pair)
    lost = Path("discs2rings/trainB/03.png")
    lost.unlink()
    found = ends(pair)
    assert [code for code, _, _ in found] == [1, 1]
    said = [err for _, _, err in found if err]
    assert len(said) == 1, said
    assert said[0].startswith(f"error: {lost}: cannot be read any more")


def test_a_process_that_is_killed_takes_the_others_along(place: Path) -> None:
    _store, pair = start_two("--steps", "100000", "--out", "run")
    wait_until(lambda: len(steps("run")) > 1, pair)
    pair[1].kill()
    (code, _, err), _ = ends(pair)
    assert code == 1
    assert err.startswith("error: Another process of this run has ended")


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals there")
def test_the_end_of_a_job_saves_once_and_can_be_resumed_by_one_process(place: Path, run: Any) -> None:
    """Clusters send SIGTERM to all processes, and launchers to theirs: here both do."""
    _store, pair = start_two("--steps", "100000", "--out", "run", "--set", "data.workers=1")
    wait_until(lambda: len(steps("run")) > 1, pair)
    for _ in range(2):
        for process in pair:
            process.send_signal(signal.SIGTERM)
    found = ends(pair)
    assert [code for code, _, _ in found] == [143, 143]
    assert "".join(out for _, out, _ in found).count("Stopped and saved") == 1
    stopped = steps("run")[-1]
    assert saved_step("run") == stopped
    ran = run("train", "--resume", "run", "--steps", str(stopped + 2))
    assert ran.code == 0, ran.err
    assert saved_step("run") == stopped + 2
    assert steps("run") == list(range(1, stopped + 3))


def test_a_plan_is_for_one_process(place: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(processes, "_joined", lambda: processes.Processes(HashStore(), 0, 2))
    monkeypatch.setattr(processes, "SECONDS_BETWEEN_ROLL_CALLS", 0.01)
    ran = run("train", "discs2rings", "--config", "tiny.yaml", "--dry-run")
    assert ran.code == 2
    assert "--dry-run: plans for one process; there are 2" in ran.err


def test_a_demo_is_refused_before_it_writes(place: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_joined", lambda: processes.Processes(HashStore(), 0, 2))
    monkeypatch.setenv("WORLD_SIZE", "2")
    ran = run("demo")
    assert ran.code == 2
    assert "unpaired demo: trains in one process; there are 2" in ran.err
    assert "without torchrun or accelerate launch" in ran.err
    assert not Path("demo_data").exists()
    assert not Path("runs").exists()
