from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from unpaired.data.faces import FILE_NAME, Box, Face, PictureFaces, write_faces
from unpaired.errors import UserError
from unpaired.faces.embedder import FACE_NETWORKS, FaceEmbedder
from unpaired.metrics.identity import FacePair, Identity, measure_identity, pairs_in

DrawFace = Callable[..., Image.Image]
MIDDLE: Box = (0.25, 0.25, 0.75, 0.75)
SIDE_PX = 8


class MeanColours(nn.Module):
    """Stands for a face network: the direction of the mean colours of the quarters, 12 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return normalize(self.scale * nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


@pytest.fixture
def embedder() -> FaceEmbedder:
    facts = replace(
        FACE_NETWORKS["facenet-casia"], size_px=SIDE_PX, margin=0.0, same_person_below=0.9, to_input=lambda x: x
    )
    return FaceEmbedder(MeanColours(), facts, "colours")


def picture(seed: int, side: int = 16) -> Tensor:
    """Four random quarters in the middle, noise around, at any size."""
    colours = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    x = torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed + 99)) * 2 - 1
    x[:, side // 4 : -side // 4, side // 4 : -side // 4] = nn.functional.interpolate(colours, side // 2)[0]
    return x


def embedding(x: Tensor) -> np.ndarray:
    """What the network has to say of the middle of `x` (3, H, W), computed on its own."""
    side = x.shape[1]
    middle = x[:, side // 4 : -side // 4, side // 4 : -side // 4].double().numpy()
    half = side // 4
    quarters = [[middle[:, i * half :, j * half :][:, :half, :half].mean((1, 2)) for j in (0, 1)] for i in (0, 1)]
    flat = np.array(quarters).transpose(2, 0, 1).ravel()
    return flat / np.linalg.norm(flat)


def noisy_pairs(count: int, strength: float) -> list[FacePair]:
    """Translations that keep their person more or less."""
    return [
        FacePair(picture(k), (1 - strength) * picture(k) + strength * picture(500 + k), MIDDLE) for k in range(count)
    ]


def values(found: Identity) -> list[float]:
    estimates = (
        found.distance,
        found.distance_to_others,
        found.distance_of_different,
        found.verified,
        found.verified_as_others,
        found.nearest_is_own,
    )
    return [one.value for one in estimates]


def test_every_number_is_what_a_slow_computation_gives(embedder: FaceEmbedder) -> None:
    pairs = noisy_pairs(20, 0.6)
    before, after = ([embedding(getattr(pair, part)) for pair in pairs] for part in ("source", "translated"))

    def squared(one: np.ndarray, other: np.ndarray) -> float:
        return 2 - 2 * float(one @ other)

    own = [squared(s, t) for s, t in zip(before, after, strict=True)]
    orders = list(itertools.permutations(range(20), 2))
    crossed = [squared(after[i], before[j]) for i, j in orders]
    different = [squared(before[i], before[j]) for i, j in orders]
    nearest = [own[i] < min(squared(after[i], before[j]) for j in range(20) if j != i) for i in range(20)]
    expected = [
        np.mean(own),
        np.mean(crossed),
        np.mean(different),
        np.mean([d < 0.9 for d in own]),
        np.mean([d < 0.9 for d in crossed]),
        np.mean(nearest),
    ]
    assert values(measure_identity(pairs, embedder)) == pytest.approx(expected, abs=1e-4)
    assert 0 < expected[3] < 1
    assert 0 < expected[5] < 1


def test_the_intervals_hold_their_values_and_shrink_with_more_pictures(embedder: FaceEmbedder) -> None:
    few, many = (measure_identity(noisy_pairs(count, 0.5), embedder) for count in (8, 80))
    for name in ("distance", "distance_to_others", "distance_of_different", "verified", "nearest_is_own"):
        narrow, wide = getattr(many, name), getattr(few, name)
        assert narrow.low <= narrow.value <= narrow.high
        assert wide.low <= wide.value <= wide.high
    assert many.distance.high - many.distance.low < 0.6 * (few.distance.high - few.distance.low)


def test_resampling_never_compares_a_picture_with_itself(embedder: FaceEmbedder) -> None:
    """All people equally far from each other: however they are drawn, the mean distance of different ones is that."""
    basis = torch.eye(12).view(12, 3, 2, 2).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    pairs = [FacePair(x, x, (0.0, 0.0, 1.0, 1.0)) for x in basis]
    found = measure_identity(pairs, embedder)
    for one in (found.distance_of_different, found.distance_to_others):
        assert [one.value, one.low, one.high] == pytest.approx([2, 2, 2], abs=1e-4)
    assert found.distance.high == pytest.approx(0, abs=1e-6)
    assert found.nearest_is_own.value == 1


def test_keeping_the_person_is_told_from_losing_it(embedder: FaceEmbedder) -> None:
    kept, lost = (measure_identity(noisy_pairs(30, strength), embedder) for strength in (0.1, 1.0))
    assert kept.distance.high < lost.distance.low
    assert kept.verified.value > 0.9
    assert kept.nearest_is_own.value > 0.9
    assert lost.nearest_is_own.value < 0.3
    assert lost.distance.value == pytest.approx(lost.distance_to_others.value, abs=0.3)


def test_pairs_without_a_face_are_counted_and_left_out(embedder: FaceEmbedder) -> None:
    pairs = noisy_pairs(5, 0.5)
    more = [*pairs, FacePair(picture(9), picture(10), None), FacePair(picture(11), picture(12), None)]
    found = measure_identity(more, embedder)
    assert (found.num_faces, found.num_without_face) == (5, 2)
    assert replace(found, num_without_face=0) == measure_identity(pairs, embedder)


def test_sizes_may_differ_between_pictures_and_from_their_translations(embedder: FaceEmbedder) -> None:
    same = [FacePair(picture(k, 16), picture(k, 16), MIDDLE) for k in range(4)]
    mixed = [FacePair(picture(k, 16 * (k + 1)), picture(k, 64 // (k + 1) // 8 * 8), MIDDLE) for k in range(4)]
    assert measure_identity(mixed, embedder).distance.value == pytest.approx(0, abs=0.02)
    assert values(measure_identity(mixed, embedder))[1:3] == pytest.approx(
        values(measure_identity(same, embedder))[1:3], abs=0.05
    )


def test_two_faces_are_the_least(embedder: FaceEmbedder) -> None:
    found = measure_identity(noisy_pairs(2, 0.5), embedder)
    assert all(math.isfinite(value) for value in values(found))
    with pytest.raises(UserError, match="1 picture with a face, 1 without"):
        measure_identity([*noisy_pairs(1, 0.5), FacePair(picture(1), picture(2), None)], embedder)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three pictures, the last without a face, one in a sub-folder, and what `unpaired translate` writes for them."""
    sources, translations = tmp_path / "testA", tmp_path / "translated"
    found = {}
    for number, name in enumerate(("x.jpg", "sub/y.png", "z-to-b.png")):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (number, 0, 0)).save(sources / name)
        faces = (Face((5, 0, 15, 10), 1.0),) if number < 2 else ()
        found[sources / name] = PictureFaces((10, 20), (sources / name).stat().st_size, faces)
    write_faces(sources, "test", found)
    (translations / "sub").mkdir(parents=True)
    for grey, name in ((60, "x-to-b"), (70, "sub/y-to-b-style00-seed0"), (75, "sub/y-to-b-style01-seed0")):
        Image.new("RGB", (40, 20), (grey,) * 3).save(translations / f"{name}.png")
    Image.new("RGB", (40, 20), (80,) * 3).save(translations / "z-to-b-to-b.png")
    return sources, translations


def test_pictures_in_folders_meet_their_translations(folders: tuple[Path, Path]) -> None:
    pairs = list(pairs_in(*folders))
    greys = [round((float(pair.translated[0, 0, 0]) + 1) * 127.5) for pair in pairs]
    assert dict(zip([pair.box for pair in pairs], greys, strict=True))[None] == 80
    assert sorted(greys) == [60, 70, 80]
    assert pairs[greys.index(60)].box == (0.25, 0.0, 0.75, 1.0)
    assert pairs[0].source.shape == (3, 10, 20)
    assert pairs[0].translated.shape == (3, 20, 40)


def test_equal_names_are_pairs_too(folders: tuple[Path, Path]) -> None:
    sources, translations = folders
    for path in translations.rglob("*.png"):
        path.unlink()
    for name in ("x.png", "sub/y.jpg", "z-to-b.webp"):
        Image.new("RGB", (8, 8)).save(translations / name)
    assert len(list(pairs_in(sources, translations))) == 3


def test_everything_that_is_missing_is_said_together(folders: tuple[Path, Path]) -> None:
    sources, translations = folders
    (translations / "x-to-b.png").unlink()
    (sources / FILE_NAME).unlink()
    with pytest.raises(UserError) as caught:
        list(pairs_in(sources, translations))
    assert "has no translation of 1 of 3 pictures, such as x.jpg" in str(caught.value)
    assert "has no faces.json" in str(caught.value)
    assert len(caught.value.problems) == 2


def test_folders_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder") as caught:
        list(pairs_in(tmp_path / "a", tmp_path / "b"))
    assert len(caught.value.problems) == 2
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        list(pairs_in(tmp_path / "a", tmp_path / "a"))
