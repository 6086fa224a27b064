"""What is normal while MUNIT trains. Levels follow from the losses' formulas (README.md); none is a promise."""

from __future__ import annotations

import math

from unpaired.models.guide import Alarm, GridGuide, Guide, Level, TermGuide
from unpaired.models.munit.config import MunitConfig

IGNORED_STYLE = math.sqrt(2 / math.pi)  # mean |s| of a standard normal: the loss of always answering 0
WINNING_SHARE = 0.1  # of the loss of a discriminator that knows nothing

EXPECT = (
    "First, within some hundred steps, the reconstructions become recognisable. Thin lines on plain paper take "
    "longest: they may come out blank for some thousand steps.",
    "Then translations take on colours and textures of the other domain, still blurred and out of shape.",
    "Later the random styles of one row begin to differ from each other while the shape of the input stays.",
    "Losses of a GAN level off early while pictures keep improving for a long time: trust the grids, not the totals.",
)


def guide(config: MunitConfig, names: tuple[str, str]) -> Guide:
    """The guide for a run with `config` between the domains that people call `names` (a, b)."""
    return Guide(EXPECT, _terms(config), _grids(*names))


def blind_discriminator_loss(config: MunitConfig) -> float:
    """The loss of one domain's discriminator that cannot tell translations from real pictures at all."""
    if config.mixup is not None:
        variance = 0.25 / (2 * config.mixup.alpha + 1)  # of Beta(alpha, alpha): what is left of least squares at 1/2
        a_scale = {"lsgan": variance, "nsgan": math.log(2), "hinge": 1.0}[config.adversarial]
    else:
        a_scale = {"lsgan": 0.5, "nsgan": 2 * math.log(2), "hinge": 2.0}[config.adversarial]
    return a_scale * config.discriminator.num_scales


def _terms(config: MunitConfig) -> dict[str, TermGuide]:
    return {
        "discriminator/adversarial": _discriminator(config),
        "generator/adversarial": _generator(config),
        "generator/image": TermGuide(
            "Image reconstruction",
            "Should fall steadily, fast at first, and stay low: 0.1 is a mean error of 13 of 255 grey levels.",
        ),
        "generator/style": TermGuide(
            "Style reconstruction",
            "How badly the style that a translation was made with can be read back from it. It should fall below the "
            "line slowly, over thousands of steps; at the line all styles look alike, as they may among edge maps.",
            levels=(Level(IGNORED_STYLE, "style ignored"),),
            alarms=(
                Alarm(
                    "above",
                    0.95 * IGNORED_STYLE,
                    5000,
                    "Translations ignore their style, so that all styles look alike. That is normal where pictures "
                    "differ in their shapes alone, as edge maps do; elsewhere longer training, a larger "
                    "model.weights.style or more varied pictures help.",
                ),
            ),
        ),
        "generator/content": TermGuide(
            "Content reconstruction",
            "How badly the content survives a translation. It has no natural scale: it should fall at first, then "
            "slowly or not at all.",
        ),
        "generator/cycle": TermGuide(
            "Cycle consistency",
            "There and back again with the picture's own style: falls like image reconstruction and stays above it.",
        ),
        "generator/style_prior": TermGuide(
            "Styles against the prior",
            "How far the styles of real pictures are from the normal distribution that random styles come from. "
            "A batch of 4 that follows it gives about 0.33, since so few pictures spread less evenly.",
        ),
        "generator/mode_seeking": TermGuide(
            "Mode seeking",
            "Difference of two styles over that of the pictures made with them: 5 is a mean difference of 29 of 255 "
            "grey levels for styles that differ as random ones do. It should fall; large values mean that styles "
            "change little.",
        ),
        "generator/contrast": TermGuide(
            "Local contrast",
            "How far differences of neighbouring pixels are from those of real pictures, on the whole and on a "
            "logarithmic scale: 0.02 is a shimmer of a tenth of a grey level, of 255, everywhere. It should fall; two "
            "batches of real pictures are not at 0 either, as some have more detail than others.",
        ),
        "discriminator/r1": TermGuide(
            "Gradient penalty at real pictures (R1)",
            "Half the squared steepness of the discriminators at real pictures. Small and level is normal; a climb "
            "means that they win by becoming steep.",
        ),
    }


def _discriminator(config: MunitConfig) -> TermGuide:
    blind = blind_discriminator_loss(config)
    return TermGuide(
        "Discriminators: adversarial",
        f"Sum over {config.discriminator.num_scales} scales. At the line the discriminator cannot tell translations "
        "from real pictures; near 0 it wins. It should hover between a third of the line and the line.",
        levels=(Level(blind, "cannot tell"),),
        alarms=(
            Alarm(
                "below",
                WINNING_SHARE * blind,
                1000,
                "The discriminator tells nearly every translation from a real picture: the generator learns little "
                "from it. A lower optimizer.lr_discriminator, more pictures or mixup help.",
            ),
        ),
    )


def _generator(config: MunitConfig) -> TermGuide:
    title = "Generators: adversarial"
    if config.adversarial == "hinge":
        return TermGuide(
            title, "Minus the discriminator's mean score: any sign is normal, only a steady climb means that it wins."
        )
    scale, winning = (0.25, "1") if config.adversarial == "lsgan" else (math.log(2), "2")
    num_scales = config.discriminator.num_scales
    return TermGuide(
        title,
        f"The discriminators' game seen from the other side, sum over {num_scales} scales. It moves sideways rather "
        f"than down; rising to {winning} a scale or more means that the discriminator wins.",
        levels=(Level(scale * num_scales, "fooled half the time"),),
    )


def _grids(a: str, b: str) -> dict[str, GridGuide]:
    grids = {}
    for source, target, key in ((a, b, "a2b"), (b, a, "b2a")):
        grids[f"{key}_random_styles"] = GridGuide(
            f"{source} → {target}, random styles",
            f"Each row is one picture of {source}, then the same picture as {target} in random styles. "
            "A column has the same style everywhere, so its colours should agree; rows should keep their shapes.",
        )
    for source, target, key in ((a, b, "a2b"), (b, a, "b2a")):
        grids[f"{key}_example_styles"] = GridGuide(
            f"{source} → {target}, styles of examples",
            f"The top row shows pictures of {target}; below, each row is one picture of {source} in the style of the "
            "example above its column.",
        )
    for source, target, key in ((a, b, "a"), (b, a, "b")):
        grids[f"{key}_reconstruction_cycle"] = GridGuide(
            f"{source}, there and back",
            f"Each row is one picture of {source}; decoded from its own content and style (should look the same); as "
            f"{target}; and translated back.",
        )
    return grids
