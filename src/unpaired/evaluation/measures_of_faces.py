"""Whether people can be recognised in their translations: where faces were found in the inputs."""

from __future__ import annotations

from unpaired.data.images import scaled
from unpaired.evaluation.measured import recipe_of
from unpaired.evaluation.subjects import Subject
from unpaired.evaluation.tools import Tools
from unpaired.metrics.bootstrap import Estimate
from unpaired.metrics.identity import MIN_FACES, FacePair, measure_identity
from unpaired.metrics.measurement import Better, Measurement


def identity(subject: Subject, tools: Tools) -> list[Measurement]:
    """How well a face network that the training did not use recognises the people: one translation of each input."""
    direction = subject.direction
    boxes = direction.boxes or {}
    if len(boxes) < MIN_FACES:
        return []
    embedder = tools.face_embedder
    pairs = (
        FacePair(scaled(x).to(tools.device), scaled(y).to(tools.device), boxes.get(label))
        for x, y, label in zip(direction.x, subject.one_each, direction.inputs.labels, strict=True)
    )
    found = measure_identity(pairs, embedder, seed=tools.settings.seed)
    recipe = recipe_of(subject, network=found.network, faces=found.num_faces, seed=tools.settings.seed)
    chance = 1 / found.num_faces
    rows: tuple[tuple[str, str, Estimate, Better], ...] = (
        ("identity_distance", "Face distance to the own input", found.distance, "lower"),
        ("identity_distance_others", "Face distance to other inputs", found.distance_to_others, "neither"),
        ("identity_verified", "Share called the same person", found.verified, "higher"),
        ("identity_verified_others", "Share called the same as others", found.verified_as_others, "neither"),
        ("identity_nearest", f"Share nearest to the own input, chance {chance:.3f}", found.nearest_is_own, "higher"),
    )
    return [
        Measurement(
            name=name,
            label=f"{label} ({found.network})",
            group="identity",
            direction=direction.arrow,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            better=better,
            recipe=recipe,
        )
        for name, label, estimate, better in rows
    ]
