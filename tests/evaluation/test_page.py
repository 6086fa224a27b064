from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from unpaired.evaluation.comparison import differences
from unpaired.evaluation.page import render, write_report
from unpaired.evaluation.page_plots import interval_plot
from unpaired.evaluation.report import CandidateResult, Evaluation, GridFile, as_plain, is_report, rows_of
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.wording import interval, sentence, shown
from unpaired.metrics.measurement import Measurement

EVIL = '<script>alert("x")</script>'


def measured(value: float, **more: Any) -> Measurement:
    plain = {"name": "kid", "label": "KID", "group": "quality", "direction": "a→b", "better": "lower"}
    return Measurement(
        **{**plain, "value": value, "low": value - 1, "high": value + 1, "recipe": {"inputs": 4}, **more}
    )


def result(name: str, *measurements: Measurement, kind: str = "model", **more: Any) -> CandidateResult:
    facts = {"model": "munit", "step": 3000, "weights": "ema"}
    plain = {"name": name, "kind": kind, "facts": facts, "num_styles": {"a→b": 2}, "measurements": measurements}
    return CandidateResult(**{**plain, **more})


@pytest.fixture
def evaluation() -> Evaluation:
    grid = GridFile(f"grids/{EVIL} 1.png", EVIL, "", (20, 10))
    diversity = measured(2, name="diversity", label="Diversity", group="diversity", better="neither")
    results = (
        result("one", measured(250, warnings=("too few",)), diversity, grids=(grid,)),
        result(EVIL, measured(100)),
        result("inputs unchanged", measured(2), kind="baseline"),
    )
    return Evaluation(
        data="emoji",
        settings=Settings(),
        size=(64, 48),
        results=results,
        differences=differences(results[:2], seed=0),
        notes=(EVIL,),
    )


def test_names_from_outside_are_escaped(evaluation: Evaluation) -> None:
    page = render(evaluation)
    assert EVIL not in page
    assert page.count("&lt;script&gt;") > 4
    assert 'src="grids/%3Cscript' in page


def test_the_page_asks_for_nothing_from_outside(evaluation: Evaluation) -> None:
    assert re.findall(r"https?://|<link|<script|@import|url\(", render(evaluation)) == []


def test_what_the_table_says(evaluation: Evaluation) -> None:
    page = render(evaluation)
    assert '250 <span class="alert"' in page
    assert "KID, a→b: too few" in page
    assert '100 <b class="mark">best</b><small>[99.0, 101]</small>' in page
    assert '<td class="baseline">2.00<small>[1.00, 3.00]</small></td>' in page, "a baseline is never the best"
    assert "munit, step 3,000, ema weights" in page
    assert "larger than chance" in page


def test_one_model_has_no_differences(evaluation: Evaluation) -> None:
    alone = Evaluation(data="x", settings=Settings(), size=(8, 8), results=evaluation.results[:1])
    page = render(alone)
    assert "All differences" not in page
    assert "best</b>" not in page


def test_nothing_measured() -> None:
    page = render(Evaluation(data="x", settings=Settings(), size=(8, 8), results=(result("m"),)))
    assert "Nothing was measured" in page


def test_rows_are_those_of_all_candidates(evaluation: Evaluation) -> None:
    rows = list(rows_of(evaluation))
    assert [(first.name, [m and m.value for m in cells]) for first, cells in rows] == [
        ("kid", [250, 100, 2]),
        ("diversity", [2, None, None]),
    ]


def test_json_has_every_value_and_null_for_what_is_no_number(evaluation: Evaluation, tmp_path: Path) -> None:
    strange = result("strange", measured(float("nan"), low=None, high=None, per_picture=(1.0, float("inf"))))
    plain = as_plain(Evaluation(data="x", settings=Settings(), size=(8, 8), results=(strange,)))
    text = json.dumps(plain, allow_nan=False)
    (found,) = json.loads(text)["results"][0]["measurements"]
    assert (found["value"], found["low"], found["per_picture"]) == (None, None, [1.0, None])
    assert found["recipe"] == {"inputs": 4}

    assert not is_report(tmp_path)
    write_report(evaluation, tmp_path)
    assert is_report(tmp_path)
    again = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert again["format"] == 1
    assert again["differences"][0]["better"] == EVIL
    assert again["size"] == [64, 48]


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "else"}'])
def test_another_json_is_no_report(content: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
    assert not is_report(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.6, "12,346"),
        (257.4, "257"),
        (25.74, "25.7"),
        (2.574, "2.57"),
        (0.2574, "0.257"),
        (-0.0001, "0.000"),
        (-3.0, "-3.00"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_numbers_have_about_three_digits(value: float | None, text: str) -> None:
    assert shown(value) == text


def test_interval_in_words() -> None:
    assert interval(measured(5)) == "[4.00, 6.00]"
    assert interval(measured(5, low=None)) == ""


def test_differences_in_words(evaluation: Evaluation) -> None:
    (kid,) = evaluation.differences
    assert sentence(kid, "KID") == f"KID, a→b: {EVIL} − one = -150, larger than chance: {EVIL} is better"
    (small,) = differences([result("x", measured(5)), result("y", measured(5.5))], seed=0)
    assert sentence(small, "KID").endswith("= 0.500, which may be chance")
    (odd,) = differences([result("x", measured(5)), result("y", measured(5, recipe={}))], seed=0)
    assert "cannot be said: measured differently: inputs 4 and none" in sentence(odd, "KID")


def test_plots_show_all_on_one_axis() -> None:
    svg = interval_plot([measured(1), None, measured(3)], ["model", "model", "baseline"], ["x", EVIL, "z"])
    assert svg.count("<circle") == svg.count("<line") == 2
    left, right = (float(x) for x in re.findall(r'cx="([\d.]+)"', svg))
    assert left < right
    assert interval_plot([measured(1)], ["model"], ["x"]) == ""
    assert interval_plot([measured(1, low=1, high=1)] * 2, ["model"] * 2, ["x", "y"]) == ""
