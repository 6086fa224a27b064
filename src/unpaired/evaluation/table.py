"""The metrics by name: what each measures, which networks it needs, where it applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from unpaired.evaluation import (
    measures_of_codes,
    measures_of_faces,
    measures_of_modes,
    measures_of_pictures,
    measures_of_sets,
)
from unpaired.evaluation.data import EvaluationData
from unpaired.evaluation.scene import faces_of_data, has_edges
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.subjects import Subject
from unpaired.evaluation.tools import Tools
from unpaired.metrics.measurement import Better, Measurement
from unpaired.models.base import other

Need = Literal["features", "distance", "faces"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One entry of `--metrics`. It gives the measurements whose names, and whether lower is better, `gives` lists.

    `why_not` says why it does not apply to the data of a call; None when it does. `by_default`: whether it is measured
    without being asked for.
    """

    about: str
    gives: Mapping[str, Better]
    of_subject: Callable[[Subject, Tools], list[Measurement]]
    needs: tuple[Need, ...] = ()
    why_not: Callable[[EvaluationData, Settings], str | None] = lambda _data, _settings: None
    by_default: bool = True


def _without_pairs(data: EvaluationData, _settings: Settings) -> str | None:
    return None if data.paired else "testA and testB do not have the same names"


def _without_edges(data: EvaluationData, settings: Settings) -> str | None:
    sources = [other(d) for d in settings.to]
    return None if any(has_edges(data, d, settings) for d in sources) else "the inputs are not black edges on white"


def _without_faces(data: EvaluationData, settings: Settings) -> str | None:
    sources = [other(d) for d in settings.to]
    found = any(faces_of_data(data, d) for d in sources)
    return None if found else "no faces.json lies beside the inputs: unpaired data faces"


def _without_modes(_data: EvaluationData, settings: Settings) -> str | None:
    if settings.modes is None:
        return "it needs a folder of labelled pictures: --modes"
    return None if len(settings.to) == 1 else "say which domain's modes these are: --to"


METRICS: Mapping[str, Metric] = {
    "kid": Metric(
        about="kernel distance to real pictures: are the translations like them, as a set?",
        gives={"kid": "lower"},
        of_subject=measures_of_sets.kid,
        needs=("features",),
    ),
    "fid": Metric(
        about="Fréchet distance to real pictures; needs thousands of them",
        gives={"fid": "lower"},
        of_subject=measures_of_sets.fid,
        needs=("features",),
        by_default=False,
    ),
    "precision_recall": Metric(
        about="share of translations like real pictures; share of real pictures like translations",
        gives={"precision": "higher", "recall": "higher"},
        of_subject=measures_of_sets.precision_and_recall,
        needs=("features",),
        by_default=False,
    ),
    "kid_subsets": Metric(
        about="KID as torch-fidelity reports it: mean and deviation of random subsets",
        gives={"kid_subsets": "lower", "kid_subsets_std": "neither"},
        of_subject=measures_of_sets.kid_subsets,
        needs=("features",),
        by_default=False,
    ),
    "kid_ugatit": Metric(
        about="KID by blocks, and the means with the source set that U-GAT-IT's tables may be",
        gives={"kid_blocks": "lower", "mean_kid": "neither", "mean_kid_alpha": "neither"},
        of_subject=measures_of_sets.kid_of_ugatit,
        needs=("features",),
        by_default=False,
    ),
    "diversity": Metric(
        about="how different the translations of one input are (always with kid)",
        gives={"diversity": "neither"},
        of_subject=measures_of_pictures.diversity,
        needs=("distance", "features"),
    ),
    "diversity_all_pairs": Metric(
        about="the same over all pairs, as StarGAN v2 measures (always with kid)",
        gives={"diversity_all_pairs": "neither"},
        of_subject=measures_of_pictures.diversity_of_all_pairs,
        needs=("distance", "features"),
        by_default=False,
    ),
    "pairs": Metric(
        about="distance to what the input should become, where testA and testB are pairs",
        gives={"distance_best": "lower", "distance_mean": "lower"},
        of_subject=measures_of_pictures.distance_to_truth,
        needs=("distance",),
        why_not=_without_pairs,
    ),
    "edges": Metric(
        about="agreement with the input's edges, where the inputs are edges",
        gives={"edge_agreement": "higher"},
        of_subject=measures_of_pictures.agreement_of_edges,
        why_not=_without_edges,
    ),
    "identity": Metric(
        about="is the person still there, for a face network that the training did not use",
        gives={
            "identity_distance": "lower",
            "identity_distance_others": "neither",
            "identity_verified": "higher",
            "identity_verified_others": "neither",
            "identity_nearest": "higher",
        },
        of_subject=measures_of_faces.identity,
        needs=("faces",),
        why_not=_without_faces,
    ),
    "round_trips": Metric(
        about="what comes back: picture, content, style, and the picture around the cycle (trained models alone)",
        gives={
            **{f"{kind}_error": "lower" for kind in measures_of_codes.LABELS},
            **{f"{kind}_share": "lower" for kind in ("content", "style")},
            **{f"image_{likeness}": "higher" for likeness in ("psnr", "ssim")},
        },
        of_subject=measures_of_codes.trips,
    ),
    "styles": Metric(
        about="do the styles of real pictures follow N(0, I), as random ones do (trained models alone)",
        gives={"style_mean": "lower", "style_std": "neither", "style_kl": "lower", "style_kl_by_chance": "neither"},
        of_subject=measures_of_codes.styles,
    ),
    "modes": Metric(
        about="how many of the labelled modes of --modes translations show, in all and for one input",
        gives=dict.fromkeys(("cis", "inception_score", "cis_exponential", "inception_score_exponential"), "higher"),
        of_subject=measures_of_modes.modes,
        needs=("features",),
        why_not=_without_modes,
    ),
}
