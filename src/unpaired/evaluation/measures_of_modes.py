"""How many modes of the target domain (breeds, kinds, colours) the translations show: in all, and for one input."""

from __future__ import annotations

import math

from unpaired.evaluation.measured import recipe_of
from unpaired.evaluation.subjects import Subject
from unpaired.evaluation.tools import Tools
from unpaired.metrics.bootstrap import Estimate
from unpaired.metrics.inception_score import conditional_inception_score_estimate, inception_score_estimate
from unpaired.metrics.measurement import Measurement

UNSURE_BELOW = 0.8  # accuracy of the classifier


def modes(subject: Subject, tools: Tools) -> list[Measurement]:
    """Inception Score and Conditional Inception Score, each as mean KL, as in MUNIT's paper, and as its exponential."""
    direction, seed = subject.direction, tools.settings.seed
    classifier = tools.mode_classifier(direction.view)
    probabilities = tools.per_input(lambda x: classifier.probabilities(x), subject.pictures)
    recipe = {**recipe_of(subject, styles=subject.num_styles), **classifier.recipe, "seed": seed}
    accuracy = classifier.accuracy.value
    unsure = (f"the classifier is right in {accuracy:.0%} of held-out pictures",) if accuracy < UNSURE_BELOW else ()

    def number(name: str, label: str, found: Estimate) -> Measurement:
        return Measurement(
            name=name,
            label=label,
            group="modes",
            direction=direction.arrow,
            value=found.value,
            low=found.low,
            high=found.high,
            better="higher",
            recipe=recipe,
            warnings=unsure,
        )

    conditional = conditional_inception_score_estimate(probabilities, seed=seed)
    whole = inception_score_estimate(probabilities, seed=seed)
    largest = math.log(len(classifier.labels))
    return [
        number("cis", f"Conditional Inception Score, mean KL (at most {largest:.2f})", conditional),
        number("inception_score", f"Inception Score, mean KL (at most {largest:.2f})", whole),
        number("cis_exponential", "Conditional Inception Score, exponential", _exponential(conditional)),
        number("inception_score_exponential", "Inception Score, exponential", _exponential(whole)),
    ]


def _exponential(found: Estimate) -> Estimate:
    return Estimate(*(math.exp(value) for value in (found.value, found.low, found.high)))
