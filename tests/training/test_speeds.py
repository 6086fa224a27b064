from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from unpaired.training import speeds
from unpaired.training.speeds import Speeds, faster_precision, gflops, slow_precision

CPU = torch.device("cpu")


def test_speed_is_measured_in_plausible_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "SECONDS_A_TYPE", 0.0)
    speed = gflops(CPU, torch.float32)
    assert speed is not None
    assert 0.1 < speed < 1e6


def test_the_fastest_product_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "SECONDS_A_TYPE", 10.0)
    clock = iter([0.0, *(0.0, 4.0), *(4.0, 4.0, 6.0), *(6.0, 6.0, 9.0), 9.0])  # products of 4, 2 and 3 seconds
    monkeypatch.setattr(speeds, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert gflops(CPU, torch.float32) == pytest.approx(2 * speeds.MATRIX_SIDE**3 / 2e9)


def test_a_type_that_does_not_work_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_kernel(*args: object, **kwargs: object) -> None:
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr(torch, "ones", no_kernel)
    assert gflops(CPU, torch.bfloat16) is None


@pytest.mark.parametrize(
    ("fp32", "bf16", "slower", "faster"),
    [
        (300.0, 150.0, True, False),
        (300.0, 290.0, False, False),
        (300.0, 400.0, False, False),
        (300.0, 600.0, False, True),
        (None, 1.0, False, False),
        (300.0, None, False, False),
    ],
)
def test_slower_and_faster_is_what_chance_does_not_explain(
    fp32: float | None, bf16: float | None, slower: bool, faster: bool
) -> None:
    assert (Speeds(fp32, bf16).bf16_is_slower, Speeds(fp32, bf16).bf16_is_faster) == (slower, faster)


class TestSlowPrecision:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
        """The devices that were measured: each multiplies bf16 at half the speed of fp32."""
        devices: list[torch.device] = []
        monkeypatch.setattr(speeds, "measured_speeds", lambda device: devices.append(device) or Speeds(328.0, 164.4))
        return devices

    def test_both_speeds_and_the_way_out_are_said(self, asked: list[torch.device]) -> None:
        text = slow_precision(CPU, "bf16")
        assert text is not None
        assert all(part in text for part in ("164 GFLOP/s", "328", "--precision fp32"))
        assert asked == [CPU]

    @pytest.mark.parametrize(("device", "precision"), [("cpu", "fp32"), ("cuda", "bf16"), ("mps", "bf16")])
    def test_nothing_is_measured_elsewhere(self, asked: list[torch.device], device: str, precision: str) -> None:
        assert slow_precision(torch.device(device), precision) is None
        assert asked == []

    def test_a_fast_processor_is_not_mentioned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(speeds, "measured_speeds", lambda _: Speeds(328.0, 700.0))
        assert slow_precision(CPU, "bf16") is None


class TestFasterPrecision:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
        """The devices that were measured: each multiplies bf16 at five times the speed of fp32."""
        devices: list[torch.device] = []
        monkeypatch.setattr(speeds, "measured_speeds", lambda device: devices.append(device) or Speeds(313.0, 1707.2))
        return devices

    def test_both_speeds_and_the_flag_are_said(self, asked: list[torch.device]) -> None:
        text = faster_precision(CPU, "auto")
        assert text is not None
        assert all(part in text for part in ("1,707 GFLOP/s in bf16", "313", "--precision bf16"))
        assert asked == [CPU]

    @pytest.mark.parametrize(
        ("device", "precision"), [("cpu", "fp32"), ("cpu", "bf16"), ("cuda", "auto"), ("mps", "auto")]
    )
    def test_who_chose_or_has_no_choice_is_told_nothing(
        self, asked: list[torch.device], device: str, precision: str
    ) -> None:
        assert faster_precision(torch.device(device), precision) is None
        assert asked == []

    def test_a_processor_without_such_units_is_not_mentioned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(speeds, "measured_speeds", lambda _: Speeds(328.0, 400.0))
        assert faster_precision(CPU, "auto") is None
