"""What is normal for the losses that go with every model, for the page of a run. Imports no torch."""

from __future__ import annotations

from dataclasses import replace

from unpaired.losses.config import LossesConfig
from unpaired.models.guide import Guide, Level, TermGuide

FAR_APART = Level(2.0, "no likeness at all")


def with_extra_losses(guide: Guide, config: LossesConfig) -> Guide:
    """`guide` with what is normal for the losses of `config` that are on, after the model's own."""
    terms = dict(guide.terms)
    if config.face is not None and config.face.is_on:
        terms |= _FACE
    if config.perceptual is not None and config.perceptual.is_on:
        terms |= _PERCEPTUAL
    return replace(guide, terms=terms)


_FACE = {
    "generator/face": TermGuide(
        "Face identity",
        "Squared distance, for the face network, between the face in a picture and in what was made of it, shown for "
        "the domain that it was translated to. It starts near 2, drops while the loss is followed, and stays above "
        "what two photographs of one person have.",
        levels=(FAR_APART,),
    ),
    "face/distance": TermGuide(
        "Face distance", "The same without hinge and centering, of the pictures that have a face.", levels=(FAR_APART,)
    ),
    "face/verified": TermGuide(
        "Faces verified",
        "Share that the loss's own network takes for the same person. It can be talked into that: measure with another "
        "network before believing it.",
    ),
    "face/without": TermGuide("Pictures without a face", "Their share in the batches; they take no part in the loss."),
}
_PERCEPTUAL = {
    "generator/perceptual": TermGuide(
        "Perceptual distance",
        "Difference of what is shown where, for a network that knows photographs: 2 for pictures that have nothing in "
        "common. It falls slowly and stays well above 0.",
    ),
}
