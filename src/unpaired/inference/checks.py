"""What is wrong with tensors that a caller gives, said so that the caller can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.models.base import DOMAINS

MAX_SEED = 2**64 - 1
_TOLERANCE = 1e-3  # beyond [-1, 1]: what rounding may add


def check_domain(domain: str) -> None:
    """Raise `UsageError` unless `domain` is a or b."""
    if domain not in DOMAINS:
        raise UsageError(f"domain {domain!r}: there is no such domain", 'Domains are called "a" and "b".')


def check_seed(seed: int) -> None:
    """Raise `UsageError` unless `seed` is a whole number that torch's generators take."""
    if not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed {seed!r}: is not allowed", f"It takes a whole number, from 0 to {MAX_SEED:,}.")


def check_pictures(x: Tensor) -> None:
    """Raise `UsageError` unless `x` is (N, 3, H, W), floating point, in [-1, 1]."""
    if not isinstance(x, Tensor):
        raise UsageError(f"a tensor is expected, this is {type(x).__name__}", "For images and paths use translate().")
    if x.ndim != 4 or x.shape[1] != 3 or 0 in x.shape:
        raise UsageError(
            f"a tensor of shape {tuple(x.shape)} does not hold pictures",
            "The shape has to be (N, 3, H, W): for one picture (3, H, W) add x[None].",
        )
    if not x.is_floating_point():
        raise UsageError(f"pictures of type {x.dtype} are not scaled", "Scale bytes to [-1, 1]: x.float() / 127.5 - 1.")
    lowest, highest = x.amin().item(), x.amax().item()
    if not (lowest >= -1 - _TOLERANCE and highest <= 1 + _TOLERANCE):  # written so that NaN fails
        raise UsageError(
            f"values from {lowest:g} to {highest:g} are outside [-1, 1]",
            "Scale 0 to 255 by x / 127.5 - 1, and 0 to 1 by x * 2 - 1.",
        )


def check_sides(x: Tensor, multiple: int) -> None:
    """Raise `UsageError` unless height and width of `x` are multiples of `multiple`, and at least two of it."""
    height, width = x.shape[2:]
    if height % multiple or width % multiple or min(height, width) < 2 * multiple:
        raise UsageError(
            f"pictures of {height}x{width} (height x width) cannot be encoded",
            f"Sides have to be multiples of {multiple}, {2 * multiple} or more; translate_tensor takes any size.",
        )


def check_fixed_size(x: Tensor, fixed_size: tuple[int, int] | None) -> None:
    """Raise `UsageError` when the model is tied to `fixed_size` (height, width) and `x` has another."""
    size = (x.shape[2], x.shape[3])
    if fixed_size is not None and size != fixed_size:
        raise UsageError(
            f"pictures of {size[0]}x{size[1]} (height x width): this model is tied to the size it was trained at, "
            f"{fixed_size[0]}x{fixed_size[1]}",
            "Scale them to it; translate() does it by itself. Only U-GAT-IT's light model takes all sizes.",
        )


def check_has_codes(style_dim: int | None) -> None:
    """Raise `UsageError` when the model has no content and style codes."""
    if style_dim is None:
        raise UsageError(
            "this model has one answer a picture: it has no content and style codes",
            "Use translate() or translate_tensor().",
        )


def codes_from(style: Tensor | np.ndarray[Any, Any] | Sequence[Any]) -> Tensor:
    """`style` as a float32 tensor. Raises `UsageError` when it does not hold numbers."""
    try:
        return torch.as_tensor(style, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"a style of {type(style).__name__} is neither a picture nor numbers ({error})",
            "Give an example picture, or a code: a tensor, an array or a list of numbers.",
        ) from error


def check_codes(codes: Tensor, style_dim: int | None, num_pictures: int | None) -> Tensor:
    """`codes` as (N, style_dim), one for each of `num_pictures` (any number when None). Raises `UsageError`."""
    if style_dim is None:
        raise UsageError("this model has one answer a picture: it takes no style", "Leave the style out.")
    rows = codes[None] if codes.ndim == 1 else codes
    if rows.ndim != 2 or rows.shape[1] != style_dim or not len(rows):
        raise UsageError(
            f"a style of shape {tuple(codes.shape)} does not fit", f"It takes ({style_dim},) or (N, {style_dim})."
        )
    if not torch.isfinite(rows).all():
        raise UsageError("a style holds numbers that are not finite", "Check where the code comes from.")
    if num_pictures is None or len(rows) == num_pictures:
        return rows
    if len(rows) != 1:
        raise UsageError(f"{len(rows)} styles for {num_pictures} pictures", "Give one for each, or one for all.")
    return rows.expand(num_pictures, -1)
