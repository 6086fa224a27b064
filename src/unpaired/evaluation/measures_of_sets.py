"""Metrics that compare the set of all translations with a set of real pictures of the target domain."""

from __future__ import annotations

import torch

from unpaired.evaluation.measured import mean_of, recipe_of
from unpaired.evaluation.subjects import Subject
from unpaired.evaluation.tools import Tools
from unpaired.metrics.fid import frechet_distance
from unpaired.metrics.kid import (
    UGATIT_ALPHA,
    UGATIT_BLOCK_SIZE,
    BlockEstimate,
    MeanStd,
    kernel_distance_blocks,
    kernel_distance_estimate,
    kernel_distance_per_picture,
    kernel_distance_subsets,
    mean_kernel_distance,
)
from unpaired.metrics.measurement import Better, Measurement
from unpaired.metrics.precision_recall import precision_recall

KID_SCALE = 1000
FEW_FOR_KID = 50
FEW_FOR_MANIFOLDS = 1000
NUM_NEIGHBOURS = 3
NUM_SUBSETS, SUBSET_SIZE = 100, 1000
NORMAL_95 = 1.96


def kid(subject: Subject, tools: Tools) -> list[Measurement]:
    """Kernel distance to the real pictures: unbiased, so that it does not depend on how many there are."""
    fake, real = _features(subject, tools)
    found = kernel_distance_estimate(fake, real)
    shares = kernel_distance_per_picture(fake, real)
    return [
        Measurement(
            name="kid",
            label=f"KID × {KID_SCALE} ({tools.feature_network.label})",
            group="quality",
            direction=subject.direction.arrow,
            value=KID_SCALE * found.value,
            low=KID_SCALE * found.low,
            high=KID_SCALE * found.high,
            better="lower",
            recipe=_recipe(subject, tools, estimate="unbiased, all pictures", interval="95 %, jackknife over pictures"),
            warnings=_few_for_kid(len(fake), len(real)),
            pictures=subject.direction.inputs.labels,
            per_picture=tuple((KID_SCALE * shares).tolist()),
        )
    ]


def fid(subject: Subject, tools: Tools) -> list[Measurement]:
    """Fréchet distance: known everywhere, but biased by the number of pictures."""
    fake, real = _features(subject, tools)
    num_features, few = fake.shape[1], min(len(fake), len(real))
    warning = f"{few:,} pictures are fewer than {num_features:,} features: FID is far too high, and not comparable"
    return [
        Measurement(
            name="fid",
            label=f"FID ({tools.feature_network.label})",
            group="quality",
            direction=subject.direction.arrow,
            value=frechet_distance(fake, real),
            better="lower",
            recipe=_recipe(subject, tools),
            warnings=(warning,) if few < num_features else (),
        )
    ]


def precision_and_recall(subject: Subject, tools: Tools) -> list[Measurement]:
    """How many translations look like real pictures, and how many kinds of real pictures there are translations of."""
    fake, real = _features(subject, tools)
    found = precision_recall(real, fake, num_neighbours=NUM_NEIGHBOURS)
    few, direction = min(len(fake), len(real)), subject.direction
    warning = f"{few:,} pictures: it depends on their number, compare only at equal counts"
    rows = (
        ("precision", found.is_precise, direction.inputs.labels),
        ("recall", found.is_covered, direction.real_labels),
    )
    return [
        mean_of(
            torch.from_numpy(values),
            name=name,
            label=f"{name.capitalize()} ({tools.feature_network.label})",
            group="quality",
            direction=direction.arrow,
            better="higher",
            labels=labels,
            seed=tools.settings.seed,
            recipe=_recipe(subject, tools, neighbours=NUM_NEIGHBOURS),
            warnings=(warning,) if few < FEW_FOR_MANIFOLDS else (),
        )
        for name, values, labels in rows
    ]


def kid_subsets(subject: Subject, tools: Tools) -> list[Measurement]:
    """KID as torch-fidelity reports it: mean and standard deviation over random subsets."""
    fake, real = _features(subject, tools)
    size, seed = min(SUBSET_SIZE, len(fake), len(real)), tools.settings.seed
    found = kernel_distance_subsets(fake, real, num_subsets=NUM_SUBSETS, subset_size=size, seed=seed)
    small = (
        f"subsets of {size:,}, the number of pictures, not {SUBSET_SIZE:,} as published" if size < SUBSET_SIZE else ""
    )
    return [
        Measurement(
            name=name,
            label=f"KID × {KID_SCALE}, {words} of subsets ({tools.feature_network.label})",
            group="quality",
            direction=subject.direction.arrow,
            value=KID_SCALE * value,
            better=better,
            recipe=_recipe(subject, tools, subsets=NUM_SUBSETS, subset_size=size, seed=seed),
            warnings=(*_few_for_kid(len(fake), len(real)), *([small] if small else [])),
        )
        for name, words, value, better in _of_subsets(found)
    ]


def _of_subsets(found: MeanStd) -> tuple[tuple[str, str, float, Better], ...]:
    return ("kid_subsets", "mean", found.mean, "lower"), ("kid_subsets_std", "deviation", found.std, "neither")


def kid_of_ugatit(subject: Subject, tools: Tools) -> list[Measurement]:
    """KID by blocks of ten, and the two means with the source set that U-GAT-IT's tables may be: × 100, as there."""
    fake, real = _features(subject, tools)
    source = tools.features(subject.direction.x)
    half = "half of it is the distance to the inputs, which are not to be kept: lower is not better"
    target = kernel_distance_blocks(real, fake, max_block_size=UGATIT_BLOCK_SIZE)
    plain = mean_kernel_distance(fake, real, source, alpha=None)
    weighted = mean_kernel_distance(fake, real, source, alpha=UGATIT_ALPHA)
    words = f"({UGATIT_ALPHA} target + {1 - UGATIT_ALPHA} source) / 2"
    few = _few_for_kid(len(fake), len(real))
    return [
        _of_blocks(subject, tools, target, "kid_blocks", f"KID × 100, blocks of {UGATIT_BLOCK_SIZE}", "lower", few),
        _of_blocks(subject, tools, plain, "mean_kid", "“Mean KID” × 100, (target + source) / 2", "neither", (half,)),
        _of_blocks(subject, tools, weighted, "mean_kid_alpha", f"“Mean KID” × 100, {words}", "neither", (half,)),
    ]


def _of_blocks(
    subject: Subject,
    tools: Tools,
    found: BlockEstimate,
    name: str,
    label: str,
    better: Better,
    warnings: tuple[str, ...],
) -> Measurement:
    half_width = NORMAL_95 * found.standard_error
    return Measurement(
        name=name,
        label=f"{label} ({tools.feature_network.label})",
        group="quality",
        direction=subject.direction.arrow,
        value=100 * found.value,
        low=100 * (found.value - half_width),
        high=100 * (found.value + half_width),
        better=better,
        recipe=_recipe(
            subject, tools, block_size=UGATIT_BLOCK_SIZE, interval="1.96 standard errors of the mean of blocks"
        ),
        warnings=warnings,
    )


def _features(subject: Subject, tools: Tools) -> tuple[torch.Tensor, torch.Tensor]:
    return tools.features(subject.one_each), tools.features(subject.direction.real)


def _recipe(subject: Subject, tools: Tools, **more: str | int | float) -> dict[str, str | int | float]:
    network, direction = tools.feature_network, subject.direction
    return {
        "network": network.label,
        **network.recipe,
        **recipe_of(subject, **more),
        "translations": "one an input, styles in turn",
        "real": direction.real_name,
        "real pictures": len(direction.real),
    }


def _few_for_kid(num_fake: int, num_real: int) -> tuple[str, ...]:
    few = min(num_fake, num_real)
    return (f"only {few} pictures: below {FEW_FOR_KID} KID says little",) if few < FEW_FOR_KID else ()
