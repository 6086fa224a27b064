"""Metrics that have a value for every input: how varied its translations are, how near the truth, how true to edges."""

from __future__ import annotations

import torch
from torch import Tensor

from unpaired.data.images import scaled
from unpaired.evaluation.measured import mean_of, recipe_of
from unpaired.evaluation.subjects import Subject
from unpaired.evaluation.tools import Tools
from unpaired.metrics.diversity import all_pairs_diversity, consecutive_diversity
from unpaired.metrics.edges import edge_agreement
from unpaired.metrics.measurement import Better, Group, Measurement
from unpaired.metrics.pairs import best_of, distances_to_truth
from unpaired.metrics.pairs import mean_of as mean_over_styles

EDGE_TOLERANCE_PX = 1


def diversity(subject: Subject, tools: Tools) -> list[Measurement]:
    """Mean distance of two neighbours among the translations of one input: noise has much of it."""
    if subject.num_styles < 2:
        return []
    distance = tools.distance
    values = tools.per_input(lambda x: consecutive_diversity(x, distance), subject.pictures)
    pairs, num = "consecutive styles of an input", subject.num_styles
    return [
        _mean(subject, tools, values, "diversity", "Diversity", "diversity", "neither", styles=num, pairs=pairs),
    ]


def diversity_of_all_pairs(subject: Subject, tools: Tools) -> list[Measurement]:
    """The same over all pairs of translations of one input, as StarGAN v2 measures."""
    if subject.num_styles < 2:
        return []
    distance, num = tools.distance, subject.num_styles
    values = tools.per_input(lambda x: all_pairs_diversity(x, distance), subject.pictures)
    name, label, pairs = "diversity_all_pairs", "Diversity, all pairs", "all styles of an input"
    return [_mean(subject, tools, values, name, label, "diversity", "neither", styles=num, pairs=pairs)]


def distance_to_truth(subject: Subject, tools: Tools) -> list[Measurement]:
    """How far the translations are from what the input should become: the nearest of its styles, and their mean."""
    truth, distance = subject.direction.truth, tools.distance
    if truth is None:
        return []
    values = tools.per_input(lambda x, y: distances_to_truth(x, y, distance), subject.pictures, truth)  # (N, S)
    num = subject.num_styles
    best, mean = best_of(values), mean_over_styles(values)
    return [
        _mean(subject, tools, best, "distance_best", f"Distance to truth, best of {num}", "pairs", "lower", styles=num),
        _mean(subject, tools, mean, "distance_mean", "Distance to truth, mean", "pairs", "lower"),
    ]


def agreement_of_edges(subject: Subject, tools: Tools) -> list[Measurement]:
    """How well the edges of the translations are those of the input, where the inputs are edges: F1, 1 is best."""
    direction = subject.direction
    if not direction.is_edges:
        return []
    edges = scaled(direction.x)
    styles = [edge_agreement(scaled(y), edges, tolerance_px=EDGE_TOLERANCE_PX) for y in subject.pictures.unbind(1)]
    values = torch.stack(styles, dim=1).mean(dim=1)
    recipe = recipe_of(subject, tolerance_px=EDGE_TOLERANCE_PX, edges="Canny 20, 60 after a 3x3 blur")
    found = mean_of(
        values,
        name="edge_agreement",
        label="Edge agreement, F1",
        group="edges",
        direction=direction.arrow,
        better="higher",
        labels=direction.inputs.labels,
        seed=tools.settings.seed,
        recipe=recipe,
    )
    return [found]


def _mean(
    subject: Subject,
    tools: Tools,
    values: Tensor,
    name: str,
    label: str,
    group: Group,
    better: Better,
    **recipe: str | int,
) -> Measurement:
    """The mean of `values`, one for each input, that the distance network gave."""
    distance = tools.distance
    return mean_of(
        values,
        name=name,
        label=f"{label} ({distance.label})",
        group=group,
        direction=subject.direction.arrow,
        better=better,
        labels=subject.direction.inputs.labels,
        seed=tools.settings.seed,
        recipe={"network": distance.label, **distance.recipe, **recipe_of(subject, **recipe)},
    )
