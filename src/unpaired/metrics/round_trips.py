"""What a model promises by its construction: there and back gives the picture, its content and its style again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unpaired.inference.translator import Translator
from unpaired.models.base import Domain, other


@dataclass(frozen=True, kw_only=True)
class RoundTrips:
    """Mean absolute errors, one a picture (N,), of pictures of one domain. None: the model has no such codes.

    `image`: decoded from its own codes against the picture, in [0, 2]. `cycle`: translated and back, with the picture's
    own style. `content`: that of the translation against the picture's. `style`: read back from the translation,
    against the one it was made with. `style_by_chance`: the same against the style of another translation: a model
    that ignores styles has both alike.
    """

    cycle: Tensor
    image: Tensor | None = None
    content: Tensor | None = None
    style: Tensor | None = None
    style_by_chance: Tensor | None = None


@torch.inference_mode()
def round_trips(translator: Translator, x: Tensor, domain: Domain, *, seed: int) -> RoundTrips:
    """The errors of pictures `x` (N, 3, H, W) in [-1, 1] of `domain`, with styles of the other domain from `seed`.

    N is 2 or more. The sides of `x` have to be multiples of what the networks need.
    """
    target = other(domain)
    if translator.style_dim is None:
        there = translator.translate_tensor(x, to=target)
        return RoundTrips(cycle=_error(translator.translate_tensor(there, to=domain), x))
    content, own_style = translator.encode_content(x, domain), translator.encode_style(x, domain)
    styles = translator.draw_styles(len(x), seed)
    there = translator.decode(content, styles, target)
    content_again, style_again = translator.encode_content(there, target), translator.encode_style(there, target)
    return RoundTrips(
        cycle=_error(translator.decode(content_again, own_style, domain), x),
        image=_error(translator.decode(content, own_style, domain), x),
        content=_error(content_again, content),
        style=_error(style_again, styles),
        style_by_chance=_error(style_again, styles.roll(1, dims=0)),
    )


def _error(found: Tensor, expected: Tensor) -> Tensor:
    """Mean absolute difference of each picture, on the CPU."""
    return (found.float().cpu() - expected.float().cpu()).abs().flatten(1).mean(dim=1)
