"""Which tasks a call asks for, and what it is told when it is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmarks.speed.catalogue import catalogue, chosen
from benchmarks.speed.cli import main, planned

from unpaired.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clones(tmp_path: Path) -> list[str]:
    """Flags that name folders which look like clones."""
    for name, file in (("munit", "trainer.py"), ("ugatit", "UGATIT.py")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    return ["--munit", str(tmp_path / "munit"), "--ugatit", str(tmp_path / "ugatit")]


def names(words: list[str], workspace: Path) -> list[str]:
    return [task.name for task in planned(words, workspace).tasks]


class TestTasks:
    def test_without_names_all_that_fit_a_laptop_are_measured(self, clones: list[str], tmp_path: Path) -> None:
        found = names(clones, tmp_path)
        assert {"train-munit-256", "train-ugatit-light-64", "translate-munit-256", "data", "startup"} <= set(found)
        assert {"train-ugatit-full-256", "train-munit-256-batch8"}.isdisjoint(found)

    def test_on_a_gpu_large_batches_are_measured_too(self) -> None:
        tasks, problems = chosen(catalogue("cuda"), [])
        assert problems == []
        assert "train-munit-256-batch8" in [task.name for task in tasks]

    def test_names_choose(self, clones: list[str], tmp_path: Path) -> None:
        assert names([*clones, "--only", "startup,train-ugatit-full-256"], tmp_path) == [
            "train-ugatit-full-256",
            "startup",
        ]

    def test_a_clone_that_no_task_needs_may_be_missing(self, clones: list[str], tmp_path: Path) -> None:
        assert names(["--only", "data,startup"], tmp_path) == ["data", "startup"]
        assert names([*clones[:2], "--only", "train-munit-64"], tmp_path) == ["train-munit-64"]

    def test_a_model_too_large_for_all_sides_at_once_is_measured_one_by_one(self) -> None:
        alone = [task.name for task in catalogue("cpu").values() if not task.together]
        assert alone == ["train-ugatit-full-256"]


class TestMistakes:
    def problems(self, words: list[str], workspace: Path) -> list[str]:
        with pytest.raises(UsageError) as caught:
            planned(words, workspace)
        return [str(problem) for problem in caught.value.problems]

    def test_a_task_with_a_slip_is_guessed(self, clones: list[str], tmp_path: Path) -> None:
        (problem,) = self.problems([*clones, "--only", "train-munti-64"], tmp_path)
        assert problem == '--only train-munti-64: there is no such task\n  Did you mean "train-munit-64"?'

    def test_half_a_name_lists_the_tasks_that_begin_so(self, clones: list[str], tmp_path: Path) -> None:
        (problem,) = self.problems([*clones, "--only", "train-ugatit"], tmp_path)
        assert "train-ugatit-light-64, train-ugatit-light-128" in problem

    def test_missing_clones_name_the_task_and_the_address(self, tmp_path: Path) -> None:
        munit, ugatit = self.problems([], tmp_path)
        assert munit.startswith("--munit is missing: train-munit-64 needs it")
        assert "https://github.com/znxlwm/UGATIT-pytorch" in ugatit

    def test_a_folder_that_is_no_clone(self, tmp_path: Path) -> None:
        (problem,) = self.problems(["--munit", str(tmp_path), "--only", "train-munit-64"], tmp_path)
        assert f"--munit {tmp_path}: holds no trainer.py" in problem

    def test_all_problems_come_at_once(self, tmp_path: Path) -> None:
        words = ["--only", "startup,x", "--rounds", "0", "--threads", "0", "--precision", "fp32,fp8"]
        found = self.problems(words, tmp_path)
        assert [problem.split(":")[0] for problem in found] == [
            "--only x",
            "--rounds 0",
            "--threads 0",
            "--precision fp8",
        ]

    def test_cuda_that_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        (problem,) = self.problems(["--only", "startup", "--device", "cuda"], tmp_path)
        assert problem.startswith("--device cuda: ")

    def test_the_command_says_them_and_fails(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--only", "nothing-like-it"]) == 2
        assert capsys.readouterr().err.startswith("error: --only nothing-like-it")


@pytest.mark.parametrize("page", ["speed", "quality"])
def test_the_commands_that_pages_show_can_start(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, file in (("MUNIT", "trainer.py"), ("UGATIT-pytorch", "UGATIT.py")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    text = (ROOT / "benchmarks" / page / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^python -m benchmarks\.speed (.*)$", text, re.MULTILINE)
    assert shown
    for words in shown:
        assert planned(words.split(), tmp_path).tasks
