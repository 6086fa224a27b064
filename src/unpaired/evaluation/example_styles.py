"""Styles by example: those of real training pictures of the target domain, instead of random ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.images import scaled
from unpaired.data.sampler import mixed_seed
from unpaired.evaluation.data import Pictures, endless_order, read_paths
from unpaired.inference.translator import Translator
from unpaired.models.base import Domain


def example_codes(
    translator: Translator,
    examples: Pictures,
    view: DataConfig,
    to: Domain,
    labels: Sequence[str],
    *,
    num_styles: int,
    seed: int,
) -> Tensor:
    """Codes (num_styles, len(labels), style_dim) of `examples` of domain `to`, chosen by `seed` for each label.

    `view` is how the model sees pictures. Raises `UserError` for an example that cannot be read.
    """
    seeds = [mixed_seed(f"example of {label}", seed) for label in labels]
    chosen = torch.stack([endless_order(len(examples), num_styles, own) for own in seeds])
    used = sorted(set(chosen.flatten().tolist()))
    places = torch.searchsorted(torch.tensor(used), chosen)
    pictures = read_paths([examples.paths[index] for index in used], view)
    codes = torch.cat([translator.encode_style(scaled(picture[None]), to) for picture in pictures])
    return codes[places.to(codes.device)].transpose(0, 1)
