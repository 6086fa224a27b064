"""The sample grids of MUNIT: one picture a row, what was made of it in the columns."""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.models.base import DOMAINS, Batch, Domain, Grid, other
from unpaired.models.munit.networks import MunitGenerators


def sample_grids(generators: MunitGenerators, batch: Batch, rng: torch.Generator, num_styles: int) -> list[Grid]:
    """For each direction: inputs × random styles, inputs × example styles, and reconstruction with cycle.

    The random styles come from `rng` alone, so that the same seed shows the same styles during the whole run.
    """
    assert generators.style_dim is not None
    styles = {d: torch.randn(num_styles, generators.style_dim, generator=rng).to(batch.x_a.device) for d in DOMAINS}
    grids = []
    for source in DOMAINS:
        target = other(source)
        content = generators.encode_content(batch[source], source)
        grids += [
            _random_styles(generators, batch[source], content, styles[target], source),
            _example_styles(generators, batch, content, source, num_styles),
            _reconstruction(generators, batch[source], content, styles[target][0], source),
        ]
    return grids


def _random_styles(
    generators: MunitGenerators, inputs: Tensor, content: Tensor, styles: Tensor, source: Domain
) -> Grid:
    target = other(source)
    columns = [inputs, *(_decode(generators, content, style, target) for style in styles)]
    labels = ("input", *(f"style {index}" for index in range(len(styles))))
    title = f"{source} to {target}: each input in the same random styles"
    return Grid(f"{source}2{target}_random_styles", title, torch.stack(columns, dim=1), labels)


def _example_styles(
    generators: MunitGenerators, batch: Batch, content: Tensor, source: Domain, num_styles: int
) -> Grid:
    """The first row shows the pictures of the target domain whose styles the columns use."""
    target = other(source)
    examples = batch[target][:num_styles]
    styles = generators.encode_style(examples, target)
    blank = torch.ones_like(batch[source][:1])
    header = torch.cat([blank, examples])[None]  # (1, 1 + examples, 3, H, W)
    columns = [batch[source], *(_decode(generators, content, style, target) for style in styles)]
    pictures = torch.cat([header, torch.stack(columns, dim=1)])
    labels = ("input", *(f"example {index}" for index in range(len(examples))))
    title = f"{source} to {target}: each input in the style of the example above the column"
    return Grid(f"{source}2{target}_example_styles", title, pictures, labels)


def _reconstruction(
    generators: MunitGenerators, inputs: Tensor, content: Tensor, style: Tensor, source: Domain
) -> Grid:
    target = other(source)
    own_style = generators.encode_style(inputs, source)
    translated = _decode(generators, content, style, target)
    cycled = generators.decode(generators.encode_content(translated, target), own_style, source)
    columns = [inputs, generators.decode(content, own_style, source), translated, cycled]
    labels = ("input", "reconstruction", f"in {target}", "cycled back")
    title = f"{source}: reconstruction, and the cycle through {target}"
    return Grid(f"{source}_reconstruction_cycle", title, torch.stack(columns, dim=1), labels)


def _decode(generators: MunitGenerators, content: Tensor, style: Tensor, domain: Domain) -> Tensor:
    return generators.decode(content, style.expand(len(content), -1), domain)
