from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from unpaired.training import speeds
from unpaired.training.speeds import Speeds, gflops, slower_than_needed

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


class TestSlowerThanNeeded:
    SLOW, FAST = Speeds(328.0, 164.4), Speeds(313.0, 1707.2)

    @pytest.mark.parametrize(
        ("setting", "found", "parts"),
        [
            ("bf16", SLOW, ("164 GFLOP/s in bf16", "328", "--precision fp32")),
            ("auto", FAST, ("1,707 GFLOP/s in bf16", "313", "--precision bf16")),
        ],
    )
    def test_both_speeds_and_the_way_out_are_said(
        self, monkeypatch: pytest.MonkeyPatch, setting: str, found: Speeds, parts: tuple[str, ...]
    ) -> None:
        monkeypatch.setattr(speeds, "measured_speeds", lambda device: found if device == CPU else None)
        text = slower_than_needed(CPU, setting)
        assert text is not None
        assert all(part in text for part in parts)

    @pytest.mark.parametrize(
        ("setting", "found"),
        [
            ("bf16", FAST),
            ("auto", SLOW),
            ("auto", Speeds(328.0, 400.0)),
            ("auto", Speeds(328.0, None)),
            ("bf16", Speeds(None, 700.0)),
        ],
    )
    def test_the_faster_one_is_not_mentioned(
        self, monkeypatch: pytest.MonkeyPatch, setting: str, found: Speeds
    ) -> None:
        monkeypatch.setattr(speeds, "measured_speeds", lambda _: found)
        assert slower_than_needed(CPU, setting) is None

    @pytest.mark.parametrize(
        ("device", "setting"), [("cpu", "fp32"), ("cuda", "bf16"), ("cuda", "auto"), ("mps", "bf16"), ("mps", "auto")]
    )
    def test_nothing_is_measured_elsewhere_or_for_those_who_want_float32(
        self, monkeypatch: pytest.MonkeyPatch, device: str, setting: str
    ) -> None:
        devices: list[torch.device] = []
        monkeypatch.setattr(speeds, "measured_speeds", lambda device: devices.append(device) or self.FAST)
        assert slower_than_needed(torch.device(device), setting) is None
        assert devices == []
