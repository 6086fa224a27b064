"""What a model promises by its construction: round trips of picture, content and style; styles that follow their prior.

Only trained models have these, folders of translations have not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.data.images import scaled
from unpaired.evaluation.measured import mean_of, recipe_of
from unpaired.evaluation.subjects import Direction, Subject
from unpaired.evaluation.tools import BATCH_SIZE, Tools
from unpaired.inference.translator import Translator
from unpaired.metrics.measurement import Better, Group, Measurement
from unpaired.metrics.pairs import psnr
from unpaired.metrics.round_trips import round_trips_of
from unpaired.metrics.ssim import WINDOW_PX, ssim
from unpaired.metrics.style_prior import style_statistics
from unpaired.models.base import Domain, other

LABELS = {
    "cycle": "Cycle error, there and back",
    "image": "Image error, from own codes",
    "content": "Content error after translation",
    "style": "Style error, read back",
    "identity": "Identity error, own domain translated",
}


def trips(subject: Subject, tools: Tools) -> list[Measurement]:
    """Mean absolute errors of the round trips that start with the direction's inputs; of styles also against chance."""
    translator, direction = subject.translator, subject.direction
    if translator is None or not _fits(translator, direction):
        return []
    seed = tools.settings.seed
    rng = torch.Generator().manual_seed(seed)
    found = round_trips_of(translator, scaled(direction.x), other(direction.to), rng)
    measured = []
    for name, trip in found.items():
        kind = name.rpartition("_")[0]
        measured.append(_mean(subject, tools, trip.errors, f"{kind}_error", LABELS[kind], "round trips", "lower"))
        if trip.share_of_chance is not None:
            assert trip.by_chance is not None
            share = trip.errors / trip.by_chance.mean()
            label = f"{LABELS[kind]}, as a share of a wrong partner's"
            measured.append(_mean(subject, tools, share, f"{kind}_share", label, "round trips", "lower"))
    return measured + _likeness(subject, tools, translator)


def styles(
    subject: Subject,
    tools: Tools,  # noqa: ARG001  the signature is every metric's
) -> list[Measurement]:
    """Mean, spread and KL to N(0, 1) of the styles encoded from the target's real pictures, a value a dimension."""
    translator, direction = subject.translator, subject.direction
    if translator is None or translator.style_dim is None:
        return []
    prior = style_statistics(_styles(translator, direction.real, direction.to))
    dimensions = tuple(f"dimension {index}" for index in range(len(prior.kl)))
    recipe = recipe_of(subject, codes=prior.num_codes, pictures=direction.real_name)

    def number(name: str, label: str, values: Tensor, better: Better) -> Measurement:
        return Measurement(
            name=name,
            label=label,
            group="style codes",
            direction=direction.to,
            value=float(values.mean()),
            better=better,
            recipe=recipe,
            pictures=dimensions,
            per_picture=tuple(values.tolist()),
        )

    by_chance = torch.full_like(prior.kl, prior.total_kl_by_chance / len(prior.kl))
    return [
        number("style_mean", "Encoded styles: distance of their mean from 0", prior.mean.abs(), "lower"),
        number("style_std", "Encoded styles: standard deviation (1 is right)", prior.std, "neither"),
        number("style_kl", "Encoded styles: KL to N(0, 1), a dimension", prior.kl, "lower"),
        number("style_kl_by_chance", "the same of as many random styles", by_chance, "neither"),
    ]


def _likeness(subject: Subject, tools: Tools, translator: Translator) -> list[Measurement]:
    """PSNR and SSIM of the inputs decoded from their own codes."""
    direction, domain = subject.direction, other(subject.direction.to)
    if translator.style_dim is None or min(direction.size) < WINDOW_PX:
        return []
    parts = []
    for start in range(0, len(direction.x), BATCH_SIZE):
        x = scaled(direction.x[start : start + BATCH_SIZE]).to(translator.device)
        content, style = translator.encode_content(x, domain), translator.encode_style(x, domain)
        again = translator.decode(content, style, domain)
        parts.append(torch.stack([psnr(again, x).cpu(), ssim(again, x).cpu()], dim=1))
    values = torch.cat(parts)
    return [
        _mean(subject, tools, values[:, 0], "image_psnr", "PSNR from own codes, dB", "round trips", "higher"),
        _mean(subject, tools, values[:, 1], "image_ssim", "SSIM from own codes", "round trips", "higher"),
    ]


def _styles(translator: Translator, pictures: Tensor, domain: Domain) -> Tensor:
    """The style codes (N, style_dim) of `pictures` (N, 3, H, W) in bytes."""
    starts = range(0, len(pictures), BATCH_SIZE)
    return torch.cat([translator.encode_style(scaled(pictures[s : s + BATCH_SIZE]), domain).cpu() for s in starts])


def _fits(translator: Translator, direction: Direction) -> bool:
    """Whether the networks take the pictures as they are: other sizes are cut and padded, and do not come back."""
    if translator.fixed_size is not None:
        return translator.fixed_size == direction.size
    return all(side % translator.networks.size_multiple == 0 for side in direction.size)


def _mean(
    subject: Subject, tools: Tools, values: Tensor, name: str, label: str, group: Group, better: Better
) -> Measurement:
    direction = subject.direction
    return mean_of(
        values,
        name=name,
        label=label,
        group=group,
        direction=direction.arrow,
        better=better,
        labels=direction.inputs.labels,
        seed=tools.settings.seed,
        recipe=recipe_of(subject),
    )
