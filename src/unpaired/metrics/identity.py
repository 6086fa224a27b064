"""Whether the person in a translation can still be recognised, asked of a face-recognition network.

Ask another network than the one that the training was told to please: that one may have learned to be fooled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unpaired.data.faces import Box, open_faces
from unpaired.data.images import BadPicture, read_picture, to_tensor
from unpaired.data.listing import Listing, counted, list_pictures
from unpaired.data.problems import folder_problem, too_few_problem
from unpaired.errors import Problem, UserError, raise_if_any
from unpaired.faces.crop import crop_faces
from unpaired.faces.embedder import FaceEmbedder
from unpaired.inference.sources import unique_labels
from unpaired.metrics.bootstrap import Estimate, Statistic, Values, estimate, mean_estimate

MIN_FACES = 2
BATCH_SIZE = 16
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class FacePair:
    """A picture (3, H, W) and its translation (3, h, w), both in [-1, 1], of any sizes, and where the face is in both.

    `box` is in fractions of the picture; None where there is no face.
    """

    source: Tensor
    translated: Tensor
    box: Box | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """How well people are recognised in their translations by the face network `network`.

    Distances are squared Euclidean distances of embeddings, verified are shares of pairs nearer than the network's
    threshold for one person. A translation is compared with its own source, and with the sources of all others, who
    are taken to be other people: what counts is the difference. `different` compares sources with each other.
    """

    network: str
    distance: Estimate
    distance_to_others: Estimate
    distance_of_different: Estimate
    verified: Estimate
    verified_as_others: Estimate
    nearest_is_own: Estimate
    """Share of translations that are nearer to their own source than to any other; 1 / num_faces is chance."""
    num_faces: int
    num_without_face: int


def measure_identity(pairs: Iterable[FacePair], embedder: FaceEmbedder, *, seed: int = 0) -> Identity:
    """How well `embedder` recognises the people in `pairs`, with 95 % intervals from resampling the pictures by `seed`.

    Pairs without a face are counted and left out. Computed on the device of `embedder`. Raises `UserError` when fewer
    than two pairs have a face.
    """
    crops_of_sources, crops_of_translations, num_without = _crops(pairs, embedder)
    num_faces = len(crops_of_sources)
    if num_faces < MIN_FACES:
        raise UserError(
            f"Identity cannot be measured: {counted(num_faces, 'picture')} with a face, {num_without} without",
            f"It takes at least {MIN_FACES}, and a hundred for a narrow interval.",
        )
    sources, translations = _embeddings(crops_of_sources, embedder), _embeddings(crops_of_translations, embedder)
    crossed, among_sources = _distances(translations, sources), _distances(sources, sources)
    own, passes = crossed.diagonal(), (crossed < embedder.same_person_below).astype(np.float64)
    return Identity(
        network=embedder.name,
        distance=mean_estimate(own, seed=seed),
        distance_to_others=estimate(_mean_of_others(crossed), num_faces, seed=seed),
        distance_of_different=estimate(_mean_of_others(among_sources), num_faces, seed=seed),
        verified=mean_estimate(passes.diagonal(), seed=seed),
        verified_as_others=estimate(_mean_of_others(passes), num_faces, seed=seed),
        nearest_is_own=mean_estimate(_is_nearest(crossed), seed=seed),
        num_faces=num_faces,
        num_without_face=num_without,
    )


def pairs_in(sources: Path, translations: Path) -> Iterator[FacePair]:
    """The pictures in the folder `sources`, with its box file, and what `unpaired translate` made of them.

    A translation has the relative path of its source, with any suffix or with `-to-a` or `-to-b` and what follows; of
    several, the first by name counts. Raises `UserError` when a folder, a translation or the box file is missing.
    """
    raise_if_any([p for folder in (sources, translations) if (p := folder_problem(str(folder), folder))])
    listing = list_pictures(sources)
    problems = [few] if (few := too_few_problem(str(sources), listing, len(listing.pictures), 1)) else []
    boxes, wrong = open_faces(str(sources), sources, listing.pictures) if listing.pictures else ({}, [])
    matches = _matches(listing, list_pictures(translations))
    raise_if_any([*problems, *wrong, *_missing_problems(listing, matches, translations)])
    for path in listing.pictures:
        yield FacePair(_read(path), _read(matches[path]), boxes.get(path))


def _crops(pairs: Iterable[FacePair], embedder: FaceEmbedder) -> tuple[list[Tensor], list[Tensor], int]:
    """The faces (3, size_px, size_px) before and after translation, and the number of pairs without one."""
    before, after, num_without = [], [], 0
    for pair in pairs:
        if pair.box is None:
            num_without += 1
            continue
        before.append(_crop(pair.source, pair.box, embedder))
        after.append(_crop(pair.translated, pair.box, embedder))
    return before, after, num_without


def _crop(picture: Tensor, box: Box, embedder: FaceEmbedder) -> Tensor:
    height, width = picture.shape[1:]
    boxes = torch.tensor([box], device=picture.device) * torch.tensor([width, height] * 2, device=picture.device)
    return crop_faces(picture[None], boxes, embedder.size_px, embedder.margin)[0]


@torch.no_grad()
def _embeddings(crops: list[Tensor], embedder: FaceEmbedder) -> Tensor:
    """(N, dim) in float64, on the CPU: small differences of large numbers follow."""
    device = next(embedder.parameters()).device
    batches = (torch.stack(crops[start : start + BATCH_SIZE]) for start in range(0, len(crops), BATCH_SIZE))
    return torch.cat([embedder(batch.to(device)).double().cpu() for batch in batches])


def _distances(rows: Tensor, columns: Tensor) -> Values:
    """The squared Euclidean distance (N, M) of each of `rows` (N, dim) to each of `columns` (M, dim)."""
    distances: Values = torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist").square().numpy()
    return distances


def _mean_of_others(matrix: Values) -> Statistic:
    """The mean of `matrix` (N, N) over pairs of different pictures, which occur as often as the weights say."""

    def mean(weights: Values) -> Values:
        pairs = np.einsum("rn,rn->r", weights @ matrix, weights) - weights**2 @ matrix.diagonal()
        counts = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
        means: Values = np.divide(pairs, counts, out=np.full(len(weights), np.nan), where=counts > 0)
        return means

    return mean


def _is_nearest(crossed: Values) -> Values:
    """For each translation 1 where its own source is nearer than all others, else 0."""
    others = crossed + np.diag(np.full(len(crossed), np.inf))
    nearest: NDArray[np.bool_] = crossed.diagonal() < others.min(axis=1)
    return nearest.astype(np.float64)


def _matches(listing: Listing, translations: Listing) -> dict[Path, Path]:
    """The translation of each picture that has one."""
    labels = unique_labels([PurePosixPath(listing.name(path)) for path in listing.pictures])
    found: dict[str, Path] = {}
    for path in reversed(translations.pictures):
        name = PurePosixPath(translations.name(path)).with_suffix("").as_posix()
        for mark in ("-to-a", "-to-b"):
            found[name.rpartition(mark)[0] or name] = path
    pairs = zip(listing.pictures, labels, strict=True)
    return {path: found[label.as_posix()] for path, label in pairs if label.as_posix() in found}


def _missing_problems(listing: Listing, matches: dict[Path, Path], translations: Path) -> list[Problem]:
    missing = [listing.name(path) for path in listing.pictures if path not in matches]
    if not missing:
        return []
    return [
        Problem(
            f"{translations}: has no translation of {len(missing):,} of {counted(len(listing.pictures), 'picture')}, "
            f"such as {missing[0]}",
            f"Make them: unpaired translate MODEL {listing.folder} --to b --out {translations}",
        )
    ]


def _read(path: Path) -> Tensor:
    try:
        return to_tensor(read_picture(path, WHITE))
    except BadPicture as bad:
        raise UserError(str(bad), "Mend it or take it out.") from bad
