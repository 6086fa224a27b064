"""Sides in processes of their own, taking turns."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from benchmarks.speed.contest import Rules, contest
from benchmarks.speed.worker import Terms
from speed_sides import dies, fails, note, note_version

from benchmarks.speed import worker
from unpaired.errors import UserError

TERMS = Terms(threads=1, device="cpu", seconds=0.0)


def test_sides_take_turns_and_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "turns"
    sides = {letter: partial(note, path, letter) for letter in "ab"}
    rounds = contest("x", sides, Rules(rounds=2, terms=TERMS))
    assert path.read_text(encoding="utf-8") == "ab" + "ab" * 2  # warm-up, and two rounds
    assert all(one[name].seconds > 0 and one[name].mib > 10 for one in rounds for name in "ab")


def test_sides_that_do_not_fit_at_once_are_warmed_up_for_every_turn(tmp_path: Path) -> None:
    path = tmp_path / "turns"
    sides = {letter: partial(note, path, letter) for letter in "ab"}
    (found,) = contest("x", sides, Rules(rounds=1, terms=TERMS, together=False))
    assert set(found) == {"a", "b"}
    assert path.read_text(encoding="utf-8") == "aabb"


def test_sides_may_have_modules_of_their_own(tmp_path: Path) -> None:
    sources = {letter: tmp_path / letter for letter in "ab"}
    for letter, source in sources.items():
        source.mkdir()
        (source / "which_version.py").write_text(f"LETTER = {letter!r}", encoding="utf-8")
    before, path = list(sys.path), tmp_path / "turns"
    contest("x", dict.fromkeys(sources, partial(note_version, path)), Rules(rounds=1, terms=TERMS), sources)
    assert path.read_text(encoding="utf-8") == "abab"  # warm-up, and one round
    assert sys.path == before


def test_a_side_that_fails_is_named_with_its_reason() -> None:
    with pytest.raises(UserError, match=r"(?s)x, ours failed:.*no such network"):
        contest("x", {"ours": fails}, Rules(rounds=1, terms=TERMS))


def test_a_process_that_is_ended_from_outside_says_so() -> None:
    with pytest.raises(UserError, match="ended with code 3"):
        contest("x", {"ours": dies}, Rules(rounds=1, terms=TERMS))


def test_short_units_are_repeated_and_long_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, repeats in ((0.0001, 100), (0.0125, 4), (1.0, 1)):
        monkeypatch.setattr(worker, "_timed", lambda *_, seconds=seconds: seconds)
        assert worker._warm_up(lambda: None, replace(TERMS, seconds=0.05)) == repeats
