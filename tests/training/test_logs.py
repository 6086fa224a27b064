from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpaired.errors import UserError
from unpaired.training.logs import LineFile, MetricsLog, RunLog, read_metrics


def steps(folder: Path) -> list[int]:
    return [record["step"] for record in read_metrics(folder / "metrics.jsonl")]


def write(folder: Path, *numbers: int, start_step: int = 0, tensorboard: bool = False) -> None:
    with MetricsLog(folder, start_step=start_step, tensorboard=tensorboard) as log:
        for step in numbers:
            log.write(step, {"loss_generator": step / 2})


def test_run_log_writes_and_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path) as log:
        log.info("resume: unpaired train --resume '[bold]/a b'")
        log.warning("two pictures are alike")
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith("  resume: unpaired train --resume '[bold]/a b'")
    assert lines[1].endswith("  warning: two pictures are alike")
    assert capsys.readouterr().out.splitlines() == [line[21:] for line in lines]


def test_long_messages_are_not_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "unpaired train --resume " + "/a/very/long/path" * 30
    with RunLog(tmp_path) as log:
        log.info(text)
    assert capsys.readouterr().out == text + "\n"


def test_run_log_appends_after_a_resume(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with RunLog(tmp_path) as log:
            log.info(text)
    assert len((tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()) == 2


def test_metrics_are_on_the_disk_when_written(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as log:
        log.write(10, {"generator/image_a": 0.25})
        assert (tmp_path / "metrics.jsonl").read_text(encoding="utf-8") == '{"step": 10, "generator/image_a": 0.25}\n'


def test_values_that_are_not_finite_stay_valid_json(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as log:
        log.write(1, {"x": float("nan"), "y": float("inf"), "z": 1 / 3})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    record = json.loads((tmp_path / "metrics.jsonl").read_text(encoding="utf-8"), parse_constant=refuse)
    assert record == {"step": 1, "x": None, "y": None, "z": pytest.approx(1 / 3)}


def test_resume_forgets_later_steps(tmp_path: Path) -> None:
    write(tmp_path, 10, 20, 30, 40)
    write(tmp_path, 30, 40, 50, start_step=20)
    assert steps(tmp_path) == [10, 20, 30, 40, 50]


def test_a_new_start_forgets_everything(tmp_path: Path) -> None:
    write(tmp_path, 10, 20)
    write(tmp_path, 5)
    assert steps(tmp_path) == [5]


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 200), start_step=st.integers(0, 6))
def test_a_torn_last_line_is_cut(tmp_path_factory: pytest.TempPathFactory, cut: int, start_step: int) -> None:
    folder = tmp_path_factory.mktemp("run")
    write(folder, 1, 2, 3, 4, 5)
    path = folder / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    num_left = path.read_bytes().count(b"\n")
    write(folder, 6, start_step=start_step)
    assert steps(folder) == [*range(1, min(num_left, start_step) + 1), 6]
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_reading_what_is_not_there_gives_nothing(tmp_path: Path) -> None:
    assert list(read_metrics(tmp_path / "metrics.jsonl")) == []


def test_reading_skips_a_line_that_is_being_written(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n[1]\n{"step": 2}\n{"st', encoding="utf-8")
    assert steps(tmp_path) == [1, 2]


def test_tensorboard_holds_the_scalars_of_a_resumed_run_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, 10, 20, 30, tensorboard=True)
    write(tmp_path, 30, start_step=20, tensorboard=True)
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("loss_generator")] == [10, 20, 30]


def test_no_tensorboard_when_not_wanted(tmp_path: Path) -> None:
    write(tmp_path, 1)
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_user_error() -> None:
    file = LineFile(Path("/dev/full"))
    with pytest.raises(UserError, match="no space left"):
        file.write("x")
    file.close()


def test_a_folder_that_cannot_be_made_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        RunLog(tmp_path / "file")
    with pytest.raises(UserError, match="cannot be written"):
        MetricsLog(tmp_path / "file", tensorboard=False)


@given(num=st.integers(0, 60), max_lines=st.integers(1, 20))
def test_a_long_file_is_read_in_part_with_its_last_line(
    tmp_path_factory: pytest.TempPathFactory, num: int, max_lines: int
) -> None:
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    path.write_text("".join(f'{{"step": {step}}}\n' for step in range(num)), encoding="utf-8")
    found = [record["step"] for record in read_metrics(path, max_lines)]
    assert len(found) <= max_lines
    assert found == sorted(set(found))
    assert found[-1:] == list(range(num))[-1:]
