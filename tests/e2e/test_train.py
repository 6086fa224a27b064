"""Training through the command line: what it leaves behind, and that a run in pieces equals one that was not cut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from unpaired import tensorfile
from unpaired.config import load


def checkpoint(run: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    return tensorfile.read(run / "checkpoints" / "last.safetensors")


def assert_same_state(first: Path, second: Path) -> None:
    """Both runs ended at the same step with the same bits."""
    (header, tensors), (other_header, others) = checkpoint(first), checkpoint(second)
    assert header["step"] == other_header["step"]
    assert set(tensors) == set(others)
    different = [name for name in tensors if not torch.equal(tensors[name], others[name])]
    assert different == []


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_run_leaves_everything_that_is_promised(place: Path, run: Any) -> None:
    ran = run("train", "discs2rings", "--config", "tiny.yaml", "--steps", "6")
    assert ran.code == 0, ran.err
    folder = place / "runs" / "0001-munit-discs2rings"
    for name in ("config.yaml", "log.txt", "metrics.jsonl", "index.html", "checkpoints/last.safetensors"):
        assert (folder / name).is_file(), name
    assert load(folder / "config.yaml").steps == 6
    assert [line["step"] for line in metrics(folder)] == [1, 2, 3, 4, 5, 6]
    steps = {path.stem.rpartition("-")[2] for path in (folder / "samples").iterdir()}
    assert steps == {"00000000", "00000005", "00000006"}
    assert checkpoint(folder)[0]["step"] == 6
    assert not list(folder.rglob("*.partial"))
    assert "index.html" in ran.out


def test_runs_are_numbered(place: Path, run: Any) -> None:
    for _ in range(2):
        assert run("train", "discs2rings", "--config", "tiny.yaml", "--steps", "1").code == 0
    assert sorted(p.name for p in (place / "runs").iterdir()) == ["0001-munit-discs2rings", "0002-munit-discs2rings"]


def test_two_folders_give_the_same_run_as_one_data_folder(place: Path, run: Any) -> None:
    two = ("discs2rings/trainA", "discs2rings/trainB")
    assert run("train", *two, "--config", "tiny.yaml", "--steps", "2", "--out", "two").code == 0
    assert run("train", "discs2rings", "--config", "tiny.yaml", "--steps", "2", "--out", "one").code == 0
    assert_same_state(place / "one", place / "two")


def test_the_saved_config_repeats_the_run(place: Path, run: Any) -> None:
    assert run("train", "discs2rings", "--config", "tiny.yaml", "--steps", "2", "--seed", "7", "--out", "one").code == 0
    assert run("train", "--config", "one/config.yaml", "--out", "two").code == 0
    assert_same_state(place / "one", place / "two")


def test_a_dry_run_plans_and_writes_nothing(place: Path, run: Any) -> None:
    before = sorted(place.rglob("*"))
    ran = run("train", "discs2rings", "--config", "tiny.yaml", "--dry-run")
    assert ran.code == 0, ran.err
    assert "0001-munit-discs2rings" in ran.out
    assert "estimate" in ran.out.lower()
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_equals_an_unbroken_one(place: Path, run: Any, workers: int) -> None:
    loading = ("--set", f"data.workers={workers}", "--set", "data.cache_mib=0")
    common = ("train", "discs2rings", "--config", "tiny.yaml", *loading)
    assert run(*common, "--steps", "20", "--out", "unbroken").code == 0
    assert run(*common, "--steps", "10", "--out", "broken").code == 0
    assert run("train", "--resume", "broken", "--steps", "20").code == 0
    assert_same_state(place / "unbroken", place / "broken")
    measured = {"seconds", "pictures_per_second", "memory_mib"}
    unbroken, broken = (
        [{k: v for k, v in line.items() if k not in measured} for line in metrics(place / name)]
        for name in ("unbroken", "broken")
    )
    assert unbroken == broken
    for path in sorted((place / "unbroken" / "samples").iterdir()):
        assert path.read_bytes() == (place / "broken" / "samples" / path.name).read_bytes(), path.name


def test_the_number_of_workers_changes_nothing(place: Path, run: Any) -> None:
    for workers in (0, 2):
        loading = ("--set", f"data.workers={workers}", "--set", "data.cache_mib=0")
        common = ("train", "discs2rings", "--config", "tiny.yaml", "--steps", "4", *loading)
        assert run(*common, "--out", f"workers{workers}").code == 0
    assert_same_state(place / "workers0", place / "workers2")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process could answer")
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_saves_and_can_be_resumed(
    place: Path, run: Any, number: signal.Signals, exit_code: int
) -> None:
    command = [sys.executable, "-m", "unpaired", "train", "discs2rings", "--config", "tiny.yaml", "--out", "cut"]
    quiet = ["--set", "samples.every_steps=1000", "--set", "checkpoints.every_steps=1000"]
    # So many steps that the signal comes in the middle; the resumed run is told to stop early.
    with subprocess.Popen([*command, *quiet, "--steps", "100000"], stdout=subprocess.PIPE, text=True) as process:
        wait_for_steps(place / "cut", 3)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == exit_code
    assert "unpaired train --resume cut" in out
    stopped_at = checkpoint(place / "cut")[0]["step"]
    assert 3 <= stopped_at < 100_000

    end = str(stopped_at + 2)
    assert run("train", "--resume", "cut", "--steps", end).code == 0
    assert run("train", "discs2rings", "--config", "tiny.yaml", *quiet, "--steps", end, "--out", "whole").code == 0
    assert_same_state(place / "whole", place / "cut")


def wait_for_steps(run: Path, count: int) -> None:
    """Return when the run in the folder `run` has written `count` lines of metrics."""
    deadline = time.monotonic() + 60
    path = run / "metrics.jsonl"
    while not path.is_file() or len(path.read_bytes().splitlines()) < count:
        assert time.monotonic() < deadline, "the run did not start"
        time.sleep(0.05)


FULL_DISK = """
import resource, signal, sys
from unpaired.cli.app import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to test with")
def test_a_save_that_does_not_fit_leaves_the_last_checkpoint_whole(trained: Path, place: Path, run: Any) -> None:
    """Resume under a limit that the checkpoint exceeds, as a full disk would: see also `test_a_full_disk`."""
    before = (trained / "checkpoints" / "last.safetensors").read_bytes()
    limit = str(len(before) // 2)
    command = [sys.executable, "-c", FULL_DISK, limit, "train", "--resume", str(trained), "--steps", "8"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "last.safetensors" in ran.stderr
    assert (trained / "checkpoints" / "last.safetensors").read_bytes() == before
    assert not list(trained.rglob("*.partial"))
    assert run("train", "--resume", trained, "--steps", "8").code == 0


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A disk of 4 MiB, where this system lets us make one."""
    folder = tmp_path_factory.mktemp("disk")
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("needs to mount a small disk: Linux and root")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this machine does not let root mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path, place: Path, run: Any) -> None:
    common = ("train", "discs2rings", "--config", "tiny.yaml")
    assert run(*common, "--steps", "2", "--out", small_disk / "run").code == 0
    before = (small_disk / "run" / "checkpoints" / "last.safetensors").read_bytes()
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "filler").write_bytes(bytes(free - len(before) // 2))
    ran = run("train", "--resume", small_disk / "run", "--steps", "8")
    assert ran.code == 1
    assert "no space left for" in ran.err
    assert "Free space" in ran.err
    assert (small_disk / "run" / "checkpoints" / "last.safetensors").read_bytes() == before
    (small_disk / "filler").unlink()
    assert run("train", "--resume", small_disk / "run", "--steps", "8").code == 0
