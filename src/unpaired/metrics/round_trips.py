"""Whether what goes in comes out again: picture, content and style through a model, and around the cycle.

These are the reconstructions that MUNIT is trained for (Huang et al., ECCV 2018, equations 1 to 3), here of pictures
that it has not seen. A code's error says little by itself, because a model can shrink its codes: it is said beside what
wrong partners give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unpaired.inference.checks import check_pictures
from unpaired.inference.translator import Translator
from unpaired.models.base import DOMAINS, Domain, other

BATCH_SIZE = 16


@dataclass(frozen=True)
class RoundTrip:
    """The mean absolute error (N,) of each picture, and what it would be against another picture's, where that tells.

    `by_chance` (N,) compares with a wrong partner: the content of another picture, another style. None for pictures,
    whose error is in the units of [-1, 1], and where there is one picture only.
    """

    errors: Tensor
    by_chance: Tensor | None = None

    @property
    def mean(self) -> float:
        """The mean error."""
        return float(self.errors.mean())

    @property
    def share_of_chance(self) -> float | None:
        """The mean error as a share of what wrong partners give: 0 is perfect, 1 means that nothing came through."""
        return None if self.by_chance is None else float(self.errors.mean() / self.by_chance.mean())


RoundTrips = Mapping[str, RoundTrip]
"""By name. All models: `cycle_a` (a → b → a) and `cycle_b`.

Models with codes: `image_a`, decoded from its own codes; `content_a`, of pictures of a after translation to b;
`style_a`, drawn from N(0, I) and read from translations to a; the same of b. `cycle_a` goes back with the style of the
input.
Models without: `identity_a`, pictures of a translated to a.
"""


@torch.inference_mode()
def round_trips(translator: Translator, x_a: Tensor, x_b: Tensor, *, seed: int) -> RoundTrips:
    """The round trips of pictures `x_a` and `x_b` (N, 3, H, W) in [-1, 1], with styles and wrong partners by `seed`.

    Sides have to be multiples of what the networks need. Raises `UsageError`.
    """
    pictures: dict[Domain, Tensor] = {"a": x_a, "b": x_b}
    found: dict[str, RoundTrip] = {}
    for place, domain in enumerate(DOMAINS):
        x = pictures[domain]
        check_pictures(x)
        rng = torch.Generator().manual_seed(seed + place)
        found |= round_trips_of(translator, x, domain, rng)
    return dict(sorted(found.items()))


Rows = tuple[Tensor, Tensor | None]
"""For the pictures of a batch the errors, and those by chance."""


def round_trips_of(translator: Translator, x: Tensor, domain: Domain, rng: torch.Generator) -> dict[str, RoundTrip]:
    """The round trips that start with pictures `x` of `domain`: see `RoundTrips`.

    In batches whose pictures are each other's wrong partners; the order and the styles are from `rng`.
    """
    order = torch.randperm(len(x), generator=rng)
    batches = order.tensor_split(-(-len(x) // BATCH_SIZE))  # of nearly equal sizes: none has a single picture by chance
    if translator.style_dim is None:
        parts = [_without_codes(translator, x[rows], domain) for rows in batches]
    else:
        parts = [_with_codes(translator, x[rows], domain, rng) for rows in batches]
    back = order.argsort()
    return {name: _joined([part[name] for part in parts], back) for name in parts[0]}


def _with_codes(translator: Translator, x: Tensor, domain: Domain, rng: torch.Generator) -> dict[str, Rows]:
    assert translator.style_dim is not None
    there = other(domain)
    x = x.to(translator.device)
    content, style = translator.encode_content(x, domain), translator.encode_style(x, domain)
    drawn = torch.randn(len(x), translator.style_dim, generator=rng).to(translator.device)
    translated = translator.decode(content, drawn, there)
    content_again = translator.encode_content(translated, there)
    return {
        f"image_{domain}": (_error(translator.decode(content, style, domain), x), None),
        f"content_{domain}": _error_and_chance(content_again, content),
        f"style_{there}": _error_and_chance(translator.encode_style(translated, there), drawn),
        f"cycle_{domain}": (_error(translator.decode(content_again, style, domain), x), None),
    }


def _without_codes(translator: Translator, x: Tensor, domain: Domain) -> dict[str, Rows]:
    x = x.to(translator.device)
    there_and_back = translator.translate_tensor(translator.translate_tensor(x, to=other(domain)), to=domain)
    return {
        f"identity_{domain}": (_error(translator.translate_tensor(x, to=domain), x), None),
        f"cycle_{domain}": (_error(there_and_back, x), None),
    }


def _error(found: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute difference (N,) of what each picture gave and what it should have given. On the CPU."""
    return (found - wanted).abs().flatten(1).mean(dim=1).cpu()


def _error_and_chance(found: Tensor, wanted: Tensor) -> Rows:
    return _error(found, wanted), _error(found, wanted.roll(1, dims=0)) if len(found) > 1 else None


def _joined(parts: Sequence[Rows], order: Tensor) -> RoundTrip:
    """The rows of all batches, as the pictures were given."""
    chances = [chance for _, chance in parts if chance is not None]
    return RoundTrip(torch.cat([errors for errors, _ in parts])[order], torch.cat(chances)[order] if chances else None)
