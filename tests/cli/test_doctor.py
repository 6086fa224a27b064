from __future__ import annotations

from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from unpaired.cli import doctor
from unpaired.cli.app import main
from unpaired.training import speeds
from unpaired.training.speeds import Speeds


def test_a_sound_machine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "disk_problems", lambda folder: [])
    monkeypatch.setattr(doctor, "accelerator_problems", lambda: [])
    monkeypatch.setattr(speeds, "SECONDS_A_TYPE", 0.0)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"torch {metadata.version('torch')}" in out
    assert "cpu:" in out
    assert "GFLOP/s" in out
    assert "No known problem." in out


@pytest.mark.parametrize(("bf16", "is_told"), [(165.0, True), (None, False), (320.0, False), (700.0, False)])
def test_numbers_that_only_make_it_slower_are_pointed_out(bf16: float | None, is_told: bool) -> None:
    device = doctor.Device("cpu", "2 cores", "8.0 GiB memory", Speeds(fp32=328.0, bf16=bf16))
    text = "\n".join(doctor.described(device))
    assert "fp32 328 GFLOP/s" in text
    assert (f"bf16 {bf16:.0f} GFLOP/s" if bf16 else "bf16 does not work") in text
    assert ("--precision fp32" in text) == is_told
    assert list(doctor.device_problems([device])) == [], "it is no problem: bf16 works"


@pytest.mark.parametrize(
    ("name", "bf16", "is_told"), [("cpu", 700.0, True), ("cpu", 400.0, False), ("cuda", 700.0, False)]
)
def test_numbers_that_would_make_it_faster_are_pointed_out(name: str, bf16: float, is_told: bool) -> None:
    """On a GPU `--precision auto` takes them."""
    device = doctor.Device(name, "2 cores", "8.0 GiB memory", Speeds(fp32=328.0, bf16=bf16))
    assert ("--precision bf16" in "\n".join(doctor.described(device))) == is_told


def test_old_and_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    requires = ["torch>=2.6,<3", "accelerate>=1.3,<2", "numpy>=1.26,<3", 'pytest>=8; extra == "dev"']
    versions = {"torch": "2.3.1", "numpy": "2.4.6", "unpaired": "0"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "requires", lambda name: requires)
    monkeypatch.setattr(metadata, "version", version)
    old, missing = doctor.package_problems()
    assert "torch is 2.3.1; unpaired needs torch" in old.message
    assert "pip install" in old.hint
    assert "accelerate is missing" in missing.message


def test_two_builds_of_opencv_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: [])
    monkeypatch.setattr(metadata, "version", lambda name: "5.0.0")
    (problem,) = doctor.package_problems()
    assert "opencv-python" in problem.message


def test_a_gpu_that_torch_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (problem,) = doctor.accelerator_problems(lambda program: f"/usr/bin/{program}")
    assert "sees no GPU" in problem.message
    assert list(doctor.accelerator_problems(lambda program: None)) == []


def test_a_device_that_cannot_compute() -> None:
    broken = doctor.Device("cuda:0", "Old GPU", "4.0 GiB memory", Speeds(fp32=None, bf16=None))
    sound = doctor.Device("cpu", "2 cores", "8.0 GiB memory", Speeds(fp32=50.0, bf16=None))
    (problem,) = doctor.device_problems([sound, broken])
    assert "cuda:0 (Old GPU)" in problem.message


def test_little_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = SimpleNamespace(total=64 * 2**20, used=0, free=2**30)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    disk, shared = doctor.disk_problems(tmp_path, tmp_path)
    assert "only 1.0 GiB" in disk.message
    assert "data.workers=0" in shared.hint


def test_problems_give_exit_code_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "package_problems", lambda: [doctor.Problem("torch is 1.0", "pip install torch")])
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "- torch is 1.0\n  pip install torch" in out
    assert "Devices" not in out, "a broken installation is not asked for its devices"
