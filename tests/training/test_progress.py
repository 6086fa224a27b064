from __future__ import annotations

import io

import pytest
import rich
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from unpaired.training.progress import Progress, Speed, duration, live_line, memory_mib


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def update(progress: Progress, step: int) -> None:
    progress.update(step, pictures_per_second=12.345, loss_discriminator=2.3456, loss_generator=7.1, memory_mib=1234.4)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(file=io.StringIO(), force_terminal=True, width=50, color_system=None, legacy_windows=False)
    monkeypatch.setattr(rich, "_console", console)
    return console


def test_plain_lines_every_ten_seconds_and_at_the_end(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(1000, clock=clock) as progress:
        for step in range(10, 260, 10):
            clock.now += 1.0
            update(progress, step)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "step 10/1,000",
        "step 110/1,000",
        "step 210/1,000",
        "step 250/1,000",
    ]
    assert lines[-1] == "step 250/1,000  75 s left  D 2.35  G 7.1  12.3 pictures/s  1,234 MiB"


def test_the_last_line_is_not_repeated(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(10, clock=clock) as progress:
        clock.now += 1
        update(progress, 10)
    assert capsys.readouterr().out == "step 10/10  done  D 2.35  G 7.1  12.3 pictures/s  1,234 MiB\n"


def test_time_left_after_a_resume_counts_only_the_new_steps(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(10_100, 10_000, clock=clock) as progress:
        clock.now += 10
        update(progress, 10_010)
    assert "2 min left" in capsys.readouterr().out


def test_interrupts_pass_through(clock: Clock) -> None:
    with pytest.raises(KeyboardInterrupt), Progress(10, clock=clock):
        raise KeyboardInterrupt


def test_terminal_shows_one_line_that_stays(terminal: Console, clock: Clock) -> None:
    with Progress(1000, clock=clock) as progress:
        clock.now += 1
        update(progress, 100)
    shown = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert "100/1,000" in shown
    assert "9 s left" in shown


@given(width=st.integers(1, 200), step=st.integers(0, 10**6))
def test_the_live_line_never_breaks(width: int, step: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    parts = [f"{step:,}/1,000,000", "3 h 20 min left", "D 2.3", "G 7.1", "12.3 pictures/s", "12,345 MiB"]
    [line] = console.render_lines(live_line(step, 10**6, parts, width))
    assert sum(segment.cell_length for segment in line) <= width


def test_a_narrow_terminal_keeps_what_matters_most() -> None:
    console = Console(file=io.StringIO(), width=40)
    with console.capture() as capture:
        console.print(live_line(5, 10, ["5/10", "3 min left", "D 2.3", "G 7.1", "12.3 pictures/s", "1,234 MiB"], 40))
    assert capture.get().strip() == "5/10  3 min left  D 2.3  G 7.1"


def test_speed_is_smooth_but_follows(clock: Clock) -> None:
    speed = Speed(0, 0.0)
    step, now = 0, 0.0
    for _ in range(300):
        step, now = step + 10, now + 1.0
        speed.update(step, now)
    assert speed.per_second == pytest.approx(10.0)
    speed.update(step, now + 5.0)  # a pause, as for a sample grid
    assert 8.5 < speed.per_second < 10.0
    for second in range(300):
        speed.update(step + second, now + 5.0 + second)
    assert speed.per_second == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (720, "12 min"), (12_000, "3 h 20 min"), (191_000, "2 d 5 h")]
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_memory_is_the_peak_of_this_process() -> None:
    before = memory_mib(torch.device("cpu"))
    held = torch.ones(64 * 2**18)  # 64 MiB
    assert before > 50, "Python with torch takes more than 50 MiB"
    assert memory_mib(torch.device("cpu")) >= before
    del held
    assert memory_mib(torch.device("cpu")) < 100_000, "MiB, not bytes or KiB"
