"""What a model promises by its construction: round trips of picture, content and style; styles that follow their prior.

Only trained models have these, folders of translations have not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.data.images import scaled
from unpaired.evaluation.measured import INTERVAL, mean_of, recipe_of, warnings_of_count
from unpaired.evaluation.subjects import Direction, Subject
from unpaired.evaluation.tools import BATCH_SIZE, Tools
from unpaired.inference.translator import Translator
from unpaired.metrics.bootstrap import Estimate
from unpaired.metrics.measurement import Better, Group, Measurement
from unpaired.metrics.pairs import psnr
from unpaired.metrics.round_trips import round_trips_of
from unpaired.metrics.ssim import WINDOW_PX, ssim
from unpaired.metrics.style_prior import style_estimates, style_statistics
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


def styles(subject: Subject, tools: Tools) -> list[Measurement]:
    """Mean, spread and KL to N(0, 1) of the styles encoded from the target's real pictures.

    Each number is a mean over the dimensions of the code and holds the value of every dimension; the mean's with sign.
    """
    translator, direction = subject.translator, subject.direction
    if translator is None or translator.style_dim is None:
        return []
    codes = _styles(translator, direction.real, direction.to)
    prior, estimates = style_statistics(codes), style_estimates(codes, seed=tools.settings.seed)
    seed = tools.settings.seed
    recipe = recipe_of(subject, codes=len(codes), pictures=direction.real_name, interval=INTERVAL, seed=seed)

    def number(name: str, label: str, found: Estimate, values: Tensor, better: Better) -> Measurement:
        return Measurement(
            name=name,
            label=label,
            group="style codes",
            direction=direction.to,
            value=found.value,
            low=found.low,
            high=found.high,
            better=better,
            recipe=recipe,
            warnings=warnings_of_count(len(codes)),
            per_dimension=tuple(values.tolist()),
        )

    by_chance = prior.total_kl_by_chance / len(prior.kl)
    exact, same = Estimate(by_chance, by_chance, by_chance), torch.full_like(prior.kl, by_chance)
    return [
        number("style_mean", "Encoded styles: distance of their mean from 0", estimates.shift, prior.mean, "lower"),
        number("style_std", "Encoded styles: standard deviation (1 is right)", estimates.std, prior.std, "neither"),
        number("style_kl", "Encoded styles: KL to N(0, 1), a dimension", estimates.kl, prior.kl, "lower"),
        number("style_kl_by_chance", "the same of as many random styles", exact, same, "neither"),
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
