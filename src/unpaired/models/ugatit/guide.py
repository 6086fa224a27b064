"""What is normal while U-GAT-IT trains. Levels follow from the losses' formulas (README.md); none is a promise."""

from __future__ import annotations

import math

from unpaired.models.guide import Alarm, GridGuide, Guide, Level, TermGuide
from unpaired.models.ugatit.config import UgatitConfig
from unpaired.schedules import value_at

WINNING_SHARE = 0.1  # of the loss of a discriminator that knows nothing
IGNORANT_CAM = 2 * math.log(2)
_BLIND = {"lsgan": 0.5, "nsgan": 2 * math.log(2), "hinge": 2.0}  # loss of a discriminator that cannot tell at all
_HALF_FOOLED = {"lsgan": 0.25, "nsgan": math.log(2)}
_REACHES = {"global": "whole picture", "local": "neighbourhood"}


def guide(config: UgatitConfig, names: tuple[str, str]) -> Guide:
    """The guide for a run with `config` between the domains that people call `names` (a, b)."""
    return Guide(_expect(config), _terms(config), _grids(config, *names))


def _expect(config: UgatitConfig) -> tuple[str, ...]:
    first = "First the identity pictures and the cycles become recognisable, within some hundred steps."
    later = (
        "Then translations take on the colours of the other domain, later its shapes: eyes, outlines, hair. "
        "That takes tens of thousands of steps.",
        "Losses of a GAN level off early while pictures keep improving for long: trust the grids, not the totals.",
    )
    cam = value_at(config.weights.cam, 0)
    if not config.generator.cam or cam <= 0:
        return (first, *later)
    start = 2 * IGNORANT_CAM * cam
    total = (
        f"The generators' total starts near {start:,.0f}, nearly all of it attention (2 · 2 ln 2 · {cam:g}): that is "
        "no sign of trouble. It falls as the attention learns to tell the domains apart."
    )
    return (total, first, *later)


def _terms(config: UgatitConfig) -> dict[str, TermGuide]:
    terms = {}
    for update, make in (("discriminator", _discriminator), ("generator", _generator)):
        for reach in _REACHES:
            terms[f"{update}/adversarial_{reach}"] = make(config, reach, "score map")
            if config.discriminator.cam:
                terms[f"{update}/adversarial_{reach}_cam"] = make(config, reach, "attention")
    terms["generator/cycle"] = TermGuide(
        "Cycle consistency",
        "There and back again: should fall steadily, fast at first. 0.1 is a mean error of 13 of 255 grey levels.",
    )
    terms["generator/identity"] = TermGuide(
        "Identity",
        "A picture of the target domain, translated, should stay as it is. Falls like the cycle and stays below it.",
    )
    if config.generator.cam:
        terms["generator/cam"] = _cam()
    return terms


def _cam() -> TermGuide:
    return TermGuide(
        "Attention: which domain is it?",
        "At the line the attention cannot tell the domains apart, as at the start; near 0 it is sure. It should fall.",
        levels=(Level(IGNORANT_CAM, "cannot tell"),),
        alarms=(
            Alarm(
                "above",
                0.95 * IGNORANT_CAM,
                5000,
                "The attention has not learnt to tell the domains apart, so that its heat-maps mean little: are the "
                "two folders very alike? A larger model.weights.cam or learning rate helps if not.",
            ),
        ),
    )


def _discriminator(config: UgatitConfig, reach: str, what: str) -> TermGuide:
    blind = _BLIND[config.adversarial]
    return TermGuide(
        f"Discriminators, {_REACHES[reach]}: {what}",
        "At the line it cannot tell translations from real pictures; near 0 it wins. It should hover between.",
        levels=(Level(blind, "cannot tell"),),
        alarms=(
            Alarm(
                "below",
                WINNING_SHARE * blind,
                2000,
                "This discriminator tells nearly every translation from a real picture, so the generators learn little "
                "from it. More pictures or a lower optimizer.lr_discriminator help.",
            ),
        ),
    )


def _generator(config: UgatitConfig, reach: str, what: str) -> TermGuide:
    title = f"Generators, {_REACHES[reach]}: {what}"
    if config.adversarial == "hinge":
        return TermGuide(
            title, "Minus the discriminator's mean score: any sign is normal, only a steady climb means that it wins."
        )
    return TermGuide(
        title,
        "The discriminators' game seen from the other side: it moves sideways rather than down. A steady climb means "
        "that the discriminator wins.",
        levels=(Level(_HALF_FOOLED[config.adversarial], "fooled half the time"),),
    )


def _grids(config: UgatitConfig, a: str, b: str) -> dict[str, GridGuide]:
    grids = {}
    for source, target, key in ((a, b, "a2b"), (b, a, "b2a")):
        grids[f"{key}_translations"] = GridGuide(
            f"{source} → {target}", f"Rows in pairs: pictures of {source}, and below each the same one as {target}."
        )
    attention = "where the translator looks (red: most; it says something only once the attention term has fallen); "
    for source, target, key in ((a, b, "a2b"), (b, a, "b2a")):
        grids[f"{key}_details"] = GridGuide(
            f"{source} → {target}, step by step",
            f"Each row is one picture of {source}; {attention if config.generator.cam else ''}as {target}; translated "
            f"back; and put through the translator into {source}, which should leave it as it is.",
        )
    return grids
