"""The drawings of encoded styles: every dimension at its place, all on the same scales."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from unpaired.evaluation.page import render
from unpaired.evaluation.page_styles import Codes, Scales, style_plot, style_plots
from unpaired.evaluation.report import CandidateResult, Evaluation
from unpaired.evaluation.settings import Settings
from unpaired.metrics.measurement import Measurement

EVIL = "<b>&"


def result(name: str, *, means: tuple[float, ...], stds: tuple[float, ...], kls: tuple[float, ...]) -> CandidateResult:
    measurements = tuple(
        Measurement(
            name=key,
            label=key,
            group="style codes",
            direction="b",
            value=1.0,
            better="neither",
            per_dimension=values,
        )
        for key, values in {"style_mean": means, "style_std": stds, "style_kl": kls}.items()
    )
    return CandidateResult(name=name, kind="model", facts={}, num_styles={}, measurements=measurements)


def evaluation(*results: CandidateResult) -> Evaluation:
    return Evaluation(data="x", settings=Settings(), size=(8, 8), results=results)


def drawn(svg: str) -> list[dict[str, dict[str, float]]]:
    """For every dimension, the places of its line, dot and bar."""
    root = ElementTree.fromstring(svg)
    return [
        {
            part.tag: {k: float(v) for k, v in part.attrib.items() if k != "class"}
            for part in group
            if part.tag != "title"
        }
        for group in root.iter("g")
    ]


def test_means_spreads_and_divergences_lie_on_their_scales() -> None:
    codes = Codes("m", "b", means=(0.0, 2.0, -1.0), stds=(1.0, 0.5, 0.0), kls=(0.0, 3.0, 1.5))
    svg = style_plot(codes, Scales(spread=4.0, kl=3.0))
    first, second, third = drawn(svg)
    (band,) = [r.attrib for r in ElementTree.fromstring(svg).iter("rect") if r.get("class") == "prior"]
    top, unit = float(band["y"]), float(band["height"]) / 2
    assert first["line"]["y1"] == pytest.approx(top, abs=0.11), "mean 0 ± 1 is the prior's band"
    assert first["line"]["y2"] == pytest.approx(top + 2 * unit, abs=0.11)
    assert second["circle"]["cy"] == pytest.approx(top + unit - 2 * unit, abs=0.11), "up is positive"
    assert second["line"]["y2"] - second["line"]["y1"] == pytest.approx(unit, abs=0.11)
    assert third["circle"]["cy"] == pytest.approx(top + 2 * unit, abs=0.11)
    assert first["rect"]["height"] == 0
    assert second["rect"]["height"] == pytest.approx(2 * third["rect"]["height"], abs=0.11)
    floors = {round(one["rect"]["y"] + one["rect"]["height"], 1) for one in (first, second, third)}
    assert len(floors) == 1
    assert "dimension 1: mean 2.00, standard deviation 0.500, KL 3.00" in svg


def test_all_drawings_of_a_page_have_the_same_scales() -> None:
    near = result("near", means=(0.1,), stds=(1.0,), kls=(0.01,))
    far = result("far", means=(-3.0,), stds=(2.0,), kls=(6.0,))
    page = style_plots(evaluation(near, far))
    labels = [re.findall(r">(-?[\d.]+)</text>", svg) for svg in re.findall(r"<svg.*?</svg>", page)]
    assert labels == [["5.0", "0.0", "-5.0", "6.0", "0"]] * 2
    alone = style_plots(evaluation(near))
    assert re.findall(r">(-?[\d.]+)</text>", alone) == ["2.0", "0.0", "-2.0", "0.5", "0"], "a good fit looks good"


def test_many_dimensions_stay_on_the_page() -> None:
    many = tuple(0.0 for _ in range(128))
    svg = style_plot(Codes("m", "a", many, many, many), Scales(2.0, 1.0))
    width = float(ElementTree.fromstring(svg).attrib["width"])
    assert width <= 560
    assert all(one["circle"]["cx"] < width for one in drawn(svg))
    numbers = re.findall(r'text-anchor="middle">(\d+)<', svg)
    assert len(drawn(svg)) == 128
    assert 10 < len(numbers) < 40, "labels do not overlap"


def test_it_stands_on_the_page_where_styles_were_measured() -> None:
    page = render(evaluation(result(EVIL, means=(0.0,), stds=(1.0,), kls=(0.0,))))
    assert page.index("Encoded styles") < page.index('id="pictures"')
    assert "&lt;b&gt;&amp;, domain b" in page
    assert EVIL not in page
    without = CandidateResult(name="m", kind="model", facts={}, num_styles={}, measurements=())
    assert "Encoded styles" not in render(evaluation(without))
