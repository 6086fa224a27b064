from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unpaired.errors import UserError
from unpaired.evaluation import tools as tools_module
from unpaired.evaluation.choice import choose_metrics
from unpaired.evaluation.data import EvaluationData
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.table import METRICS
from unpaired.evaluation.tools import Tools

Open = Callable[..., EvaluationData]


def chosen(
    data: EvaluationData, settings: Settings, notes: list[str] | None = None
) -> tuple[tuple[str, ...], list[str]]:
    tools = Tools(settings, torch.device("cpu"))
    names, problems = choose_metrics(data, settings, tools, [] if notes is None else notes)
    return names, [str(problem) for problem in problems]


def test_by_default_what_applies_is_measured(data_folder: Path, paired_folder: Path, opened: Open) -> None:
    names, problems = chosen(opened(data_folder), Settings())
    assert problems == []
    assert names == ("kid", "diversity", "round_trips", "styles")
    names, _ = chosen(opened(paired_folder), Settings())
    assert names == ("kid", "diversity", "pairs", "edges", "round_trips", "styles")


def test_edges_do_not_matter_where_they_are_the_target(paired_folder: Path, opened: Open) -> None:
    assert "edges" not in chosen(opened(paired_folder), Settings(to=("a",)))[0]


def test_all_is_everything_that_applies(data_folder: Path, opened: Open) -> None:
    names, problems = chosen(opened(data_folder), Settings(metrics=("all",)))
    assert problems == []
    assert set(names) == METRICS.keys() - {"pairs", "edges", "identity", "modes"}


@pytest.mark.parametrize("name", ["diversity", "diversity_all_pairs"])
def test_diversity_never_comes_alone(name: str, data_folder: Path, opened: Open) -> None:
    assert chosen(opened(data_folder), Settings(metrics=(name,)))[0] == ("kid", name)


def test_what_is_asked_for_has_to_apply(data_folder: Path, opened: Open) -> None:
    asked = ("kidd", "pairs", "edges", "identity", "modes", "kid", "kid")
    _, problems = chosen(opened(data_folder), Settings(metrics=asked))
    assert len(problems) == 5
    assert "--metrics kidd: there is no such metric" in problems[0]
    assert "Did you mean" in problems[0]
    for part in ("testA and testB do not have the same names", "not black edges", "unpaired data faces", "--modes"):
        assert any(part in problem for problem in problems)


def test_no_metric_at_all(data_folder: Path, opened: Open) -> None:
    assert "names no metric" in chosen(opened(data_folder), Settings(metrics=()))[1][0]


@pytest.fixture
def _no_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> str:
        raise UserError("The weights of none of the distances are here", "unpaired weights get hed-vgg16")

    monkeypatch.setattr(tools_module, "default_distance", missing)
    monkeypatch.setattr(tools_module, "load_distance", missing)


@pytest.mark.usefixtures("_no_distance")
def test_without_a_network_its_metrics_are_left_out_and_a_note_says_so(paired_folder: Path, opened: Open) -> None:
    notes: list[str] = []
    names, problems = chosen(opened(paired_folder), Settings(), notes)
    assert problems == []
    assert names == ("kid", "edges", "round_trips", "styles")
    assert notes == [
        "left out: diversity, pairs. The weights of none of the distances are here unpaired weights get hed-vgg16"
    ]


@pytest.mark.usefixtures("_no_distance")
def test_a_network_or_metric_that_was_named_has_to_be_here(data_folder: Path, opened: Open) -> None:
    data = opened(data_folder)
    assert len(chosen(data, Settings(metrics=("diversity",)))[1]) == 1
    assert len(chosen(data, Settings(distance="lpips"))[1]) == 1


def test_the_source_of_the_names_is_said(data_folder: Path, opened: Open) -> None:
    settings = Settings(metrics=("nothing",))
    tools = Tools(settings, torch.device("cpu"))
    _, problems = choose_metrics(opened(data_folder), settings, tools, [], source="evaluation.metrics")
    assert problems[0].message.startswith("evaluation.metrics nothing")
