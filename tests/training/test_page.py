from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unpaired import presets
from unpaired.config import RunConfig, to_yaml
from unpaired.errors import UserError
from unpaired.models.base import Grid
from unpaired.training.logs import MetricsLog, RunLog
from unpaired.training.page import write_page
from unpaired.training.page_state import curves_of, pace_of, read_run
from unpaired.training.samples import write_grids

TERMS = ("adversarial", "image", "style", "content")


class Page(HTMLParser):
    """The parsed page: its attributes, its visible text and its data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside: list[str] = []
        self._data = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.data = json.loads(self._data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append("data" if dict(attrs).get("id") == "data" else tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() not in (tag, "data"):
            pass

    def handle_data(self, data: str) -> None:
        if self._inside[-1:] == ["data"]:
            self._data += data
        elif self._inside[-1:] not in (["script"], ["style"]):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(config: RunConfig | None = None, steps: int = 40, folder: str = "0001-munit-x", **extra: float) -> Path:
        run = tmp_path / folder
        run.mkdir()
        config = config or with_data("cats", "dogs")
        (run / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
        with MetricsLog(run, tensorboard=False) as log:
            for step in range(10, steps + 1, 10):
                log.write(step, numbers(step) | extra)
        for step in range(0, steps + 1, 20):
            write_grids([grid("a2b_random_styles"), grid("unheard_of")], run / "samples", step)
        write_page(run)
        return run

    return make


def with_data(a: str, b: str, **changes: int) -> RunConfig:
    config = presets.munit_small()
    return replace(config, data=replace(config.data, a=a, b=b), **changes)


def grid(name: str) -> Grid:
    return Grid(name, f"title of {name}", torch.zeros(1, 2, 3, 32, 32), ("input", "style"))


def numbers(step: int) -> dict[str, float]:
    terms = {f"generator/{term}_{d}": 1.0 / step for term in TERMS for d in "ab"}
    terms |= {f"discriminator/adversarial_{d}": 1.2 for d in "ab"}
    return {"seconds": step * 0.5, "pictures_per_second": 8.0, "memory_mib": 512.0, "loss_generator": 7.0, **terms}


def test_pictures_exist_and_nothing_comes_from_elsewhere(make_run: MakeRun) -> None:
    run = make_run()
    page = Page(run / "index.html")
    assert len(page.all("img")) == 2
    for attributes in page.all("img"):
        assert (run / unquote(attributes["src"] or "")).is_file()
    links = [value for _, attributes in page.tags for key in ("src", "href") if (value := attributes.get(key))]
    assert not [link for link in links if re.match(r"[a-z]+:|//", link)]
    assert not page.all("link")


def test_every_step_of_every_grid_can_be_reached(make_run: MakeRun) -> None:
    run = make_run()
    grids = Page(run / "index.html").data["grids"]
    files = {f"{g['files']}{step:08d}.png" for g in grids for step in g["steps"]}
    assert files == {f"samples/{path.name}" for path in run.glob("samples/*.png")}


def test_known_grids_come_first_and_unknown_ones_show_their_own_title(make_run: MakeRun) -> None:
    page = Page(make_run() / "index.html")
    assert [g["name"] for g in page.data["grids"]] == ["a2b_random_styles", "unheard_of"]
    assert "title of unheard_of" in page.text
    assert "title of a2b_random_styles" not in page.text, "the guide's words are better"


def test_domains_have_the_names_of_their_folders(make_run: MakeRun) -> None:
    page = Page(make_run(with_data("my/cats", "my/dogs")) / "index.html")
    assert "cats → dogs" in page.text
    [image] = [c for c in page.data["charts"] if c["title"] == "Image reconstruction"]
    assert [line["label"] for line in image["lines"]] == ["cats", "dogs"]


def test_every_number_is_in_a_chart_and_in_the_table(make_run: MakeRun) -> None:
    page = Page(make_run(**{"generator/new_term_a": 3.0, "surprise": 4.0}) / "index.html")
    shown = [line["name"] for chart in page.data["charts"] for line in chart["lines"]]
    assert sorted(shown) == sorted({*numbers(10), "generator/new_term_a", "surprise"} - {"seconds"})
    assert set(shown) == set(page.data["curves"])
    assert page.text.count("surprise") >= 2, "title of the chart and row of the table"


def test_nothing_from_outside_becomes_markup(make_run: MakeRun) -> None:
    evil = "</script><img src=x onerror=alert(1)>\"'&"
    run = make_run(with_data(evil, f"{evil}2"), **{f"generator/{evil}_a": 1.0})
    with RunLog(run) as log:
        log.info(evil)
    plain = Page(make_run(folder="0002-plain") / "index.html")
    write_page(run)
    page = Page(run / "index.html")
    count = {tag: len(page.all(tag)) for tag in ("script", "img")}
    assert count == {tag: len(plain.all(tag)) for tag in ("script", "img")}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert evil in page.text


def test_resume_command_is_quoted_for_a_shell(make_run: MakeRun) -> None:
    page = Page(make_run(folder="0001 it's mine") / "index.html")
    [command] = re.findall(r"unpaired train --resume .*?mine['\"]", page.text)
    assert command.endswith(("""0001 it'"'"'s mine'""", '''0001 it's mine"'''))


def test_a_complete_run_is_not_resumed_or_reloaded(make_run: MakeRun) -> None:
    page = Page(make_run(with_data("x", "y", steps=40)) / "index.html")
    assert page.data["finished"]
    assert "--resume" not in page.text
    assert not [meta for meta in page.all("meta") if "http-equiv" in meta]


def test_a_going_run_is_reloaded_without_javascript_too(make_run: MakeRun) -> None:
    page = Page(make_run() / "index.html")
    assert not page.data["finished"]
    assert {"http-equiv": "refresh", "content": "30"} in page.all("meta")


def test_a_winning_discriminator_is_told(make_run: MakeRun) -> None:
    lost = {"discriminator/adversarial_b": 0.01}
    page = Page(make_run(with_data("cats", "dogs"), steps=2000, folder="lost", **lost) / "index.html")
    assert "Worth a look" in page.text
    assert "(dogs)" in page.text
    assert "Worth a look" not in Page(make_run(steps=2000, folder="fine") / "index.html").text


def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(with_data("a", "b")), encoding="utf-8")
    write_page(tmp_path)
    page = Page(tmp_path / "index.html")
    assert "No grid is drawn yet" in page.text
    assert page.data["charts"] == []


def test_a_foreign_file_among_the_samples_stops_nothing(make_run: MakeRun) -> None:
    run = make_run()
    (run / "samples" / "mine-00000001.png").write_bytes(b"not a picture")
    write_page(run)
    assert [g["name"] for g in Page(run / "index.html").data["grids"]] == ["a2b_random_styles", "unheard_of"]


def test_no_run_no_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.yaml"):
        write_page(tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_the_newest_of_samples_and_metrics_is_the_step(make_run: MakeRun) -> None:
    assert read_run(make_run(steps=50)).step == 50


@given(num=st.integers(1, 2000), max_points=st.integers(1, 50))
def test_curves_are_means_of_equal_parts(num: int, max_points: int) -> None:
    records = [{"step": step, "x": float(step)} for step in range(1, num + 1)]
    curves = curves_of(records, max_points)
    assert len(curves.steps) <= max_points
    assert curves.steps[-1] == num
    assert curves.values["x"][0] == pytest.approx((1 + curves.steps[0]) / 2)


def test_a_term_that_comes_and_goes_leaves_gaps() -> None:
    records = [{"step": 1, "x": 1.0}, {"step": 2, "x": None}, {"step": 3}, {"step": 4, "x": 2.0, "y": 5}]
    curves = curves_of(records)
    assert curves.values == {"x": (1.0, None, None, 2.0), "y": (None, None, None, 5.0)}
    assert curves.first("y") == 5.0


def test_pace_counts_all_processes_of_a_run_and_the_speed_of_the_last() -> None:
    seconds = [(10, 5.0), (20, 10.0), (30, 1.0), (40, 2.0), (50, 3.0)]
    pace = pace_of([{"step": step, "seconds": s} for step, s in seconds])
    assert pace.seconds == 13.0
    assert pace.steps_per_second == 10.0


def test_pace_of_nothing_is_unknown() -> None:
    assert pace_of([]).steps_per_second is None
    assert pace_of([{"step": 1, "seconds": 2.0}]).steps_per_second is None
