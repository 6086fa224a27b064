from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from unpaired.config import DataConfig
from unpaired.data.faces import Face, PictureFaces, write_faces
from unpaired.evaluation import scene
from unpaired.evaluation.data import EvaluationData, Pictures
from unpaired.evaluation.scene import chosen_inputs, faces_in, has_edges, looks_like_edges, measuring_view
from unpaired.evaluation.settings import Settings

Open = Callable[..., EvaluationData]


def picture(colour: tuple[int, int, int], line: tuple[int, int, int]) -> torch.Tensor:
    image = Image.new("RGB", (32, 32), colour)
    ImageDraw.Draw(image).line((3, 3, 28, 20), fill=line, width=2)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@pytest.mark.parametrize(
    ("colour", "line", "is_edges"),
    [
        ((255, 255, 255), (0, 0, 0), True),
        ((250, 250, 250), (60, 60, 60), True),
        ((255, 255, 255), (200, 0, 0), False),
        ((0, 0, 0), (255, 255, 255), False),
        ((255, 255, 255), (255, 255, 255), False),
        ((255, 250, 200), (0, 0, 0), False),
    ],
)
def test_looks_like_edges(colour: tuple[int, int, int], line: tuple[int, int, int], is_edges: bool) -> None:
    assert looks_like_edges(picture(colour, line)) == is_edges


def test_edges_are_seen_or_said(paired_folder: Path, opened: Open) -> None:
    data = opened(paired_folder)
    assert [has_edges(data, domain, Settings()) for domain in "ab"] == [True, False]  # type: ignore[arg-type]
    assert not has_edges(data, "a", Settings(edges="no"))
    assert [has_edges(data, domain, Settings(edges="b")) for domain in "ab"] == [False, True]  # type: ignore[arg-type]


def view(side: int, resize: str = "cover") -> DataConfig:
    return DataConfig(size=(side, side), resize=resize)  # type: ignore[arg-type]


def test_the_size_to_measure_at() -> None:
    assert measuring_view([view(64, "stretch")], [(9, 9)], Settings()) == view(64, "stretch")
    assert measuring_view([view(64), view(32, "none"), view(48)], [], Settings()) == view(32)
    assert measuring_view([view(64)], [], Settings(size=(16, 24))) == DataConfig(size=(16, 24))
    assert measuring_view([], [(30, 20), (30, 20)], Settings()) == DataConfig(size=(30, 20))
    assert measuring_view([], [(30, 20), (40, 25)], Settings()) == view(20)


def test_inputs_are_limited_by_number_and_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Pictures(Path(), tuple(Path(str(n)) for n in range(20)), tuple(map(str, range(20))))
    notes: list[str] = []
    assert chosen_inputs(pictures, Settings(), view(8), notes, "a→b") is pictures
    assert len(chosen_inputs(pictures, Settings(num_inputs=5), view(8), notes, "a→b")) == 5
    assert notes == []
    monkeypatch.setattr(scene, "MOST_BYTES", 10 * 3 * 8 * 8 * 4)
    assert len(chosen_inputs(pictures, Settings(num_styles=10), view(8), notes, "a→b")) == 4
    assert "4 of 20 inputs are taken" in notes[0]


def test_faces_follow_the_crop(tmp_path: Path) -> None:
    Image.new("RGB", (80, 40)).save(tmp_path / "p.png")
    Image.new("RGB", (80, 40)).save(tmp_path / "q.png")
    paths = (tmp_path / "p.png", tmp_path / "q.png")
    pictures = Pictures(tmp_path, paths, ("p", "q"))
    assert faces_in(pictures, view(20)) == (None, [])
    in_the_middle, at_the_edge = Face((30, 10, 50, 30), 1.0), Face((0, 0, 18, 20), 1.0)
    found = zip(paths, (in_the_middle, at_the_edge), strict=True)
    write_faces(tmp_path, "mtcnn", {p: PictureFaces((40, 80), p.stat().st_size, (face,)) for p, face in found})
    boxes, problems = faces_in(pictures, view(20))  # half the size, then the middle 20 of 40 columns
    assert problems == []
    assert boxes is not None
    assert boxes.keys() == {"p"}, "the other one is cut off"
    assert boxes["p"] == pytest.approx((5 / 20, 5 / 20, 15 / 20, 15 / 20))


def test_a_box_file_of_other_pictures_is_a_problem(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    (tmp_path / "faces.json").write_text("{}", encoding="utf-8")
    boxes, problems = faces_in(Pictures(tmp_path, (tmp_path / "p.png",), ("p",)), view(8))
    assert boxes is None
    assert len(problems) == 1
