"""The sample grids of U-GAT-IT: one picture a row, what was made of it in the columns."""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.layers.heat_maps import overlaid
from unpaired.models.base import DOMAINS, Batch, Domain, Grid, other
from unpaired.models.ugatit.networks import UgatitGenerators

NUM_INPUTS_A_ROW = 8


def sample_grids(generators: UgatitGenerators, batch: Batch) -> list[Grid]:
    """For each direction many translations side by side, then each picture with its attention, cycle and identity."""
    translated = {d: generators.translate(batch[other(d)], d, None) for d in DOMAINS}
    overview = [_overview(batch[source], translated[other(source)], source) for source in DOMAINS]
    details = [_details(generators, batch[source], translated[other(source)], source) for source in DOMAINS]
    return overview + details


def _overview(inputs: Tensor, translated: Tensor, source: Domain) -> Grid:
    """Two rows for every few pictures: the inputs, and below them their translations."""
    width = min(NUM_INPUTS_A_ROW, len(inputs))
    rows = []
    for start in range(0, len(inputs), width):
        rows += [_filled(inputs[start : start + width], width), _filled(translated[start : start + width], width)]
    title = f"{source} to {other(source)}: inputs, and below each its translation"
    return Grid(f"{source}2{other(source)}_translations", title, torch.stack(rows), ("",) * width)


def _details(generators: UgatitGenerators, inputs: Tensor, translated: Tensor, source: Domain) -> Grid:
    target = other(source)
    columns = {"input": inputs}
    if generators.has_attention:
        columns["attention"] = overlaid(inputs, generators.attention(inputs, target))
    columns[f"in {target}"] = translated
    columns["cycled back"] = generators.translate(translated, source, None)
    columns["identity"] = generators.translate(inputs, source, None)
    title = f"{source} to {target}: attention, translation, cycle, and identity (should look like the input)"
    return Grid(f"{source}2{target}_details", title, torch.stack(list(columns.values()), dim=1), tuple(columns))


def _filled(pictures: Tensor, width: int) -> Tensor:
    """`pictures` (n, 3, H, W) with white ones behind, `width` in all."""
    missing = width - len(pictures)
    return torch.cat([pictures, torch.ones_like(pictures[:1]).expand(missing, -1, -1, -1)])
