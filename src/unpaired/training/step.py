"""One training step: one generator pass, then the discriminator update, then the generator update.

To need less memory, that is done for the pictures of one domain after the other: no loss takes from both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unpaired.errors import UserError
from unpaired.layers.thin import ThinGradient, thin_gradients
from unpaired.models.base import DOMAINS, Batch, Domain
from unpaired.training.memory import give_back_free_memory
from unpaired.training.state import TrainState, rng_for
from unpaired.training.terms import Observed, Terms

if TYPE_CHECKING:
    from unpaired.training.face_loss import Faces

_LARGE_BYTES = 2**18  # of one channel of all pictures of a domain


class NonFiniteError(UserError):
    """A loss or gradient that is not a number, found before its networks could move."""


def train_step(state: TrainState, batch: Batch, faces: Faces | None = None) -> dict[str, float]:
    """Make one update of every network and return its numbers by their name in the log.

    `faces` are those of `batch`, for the losses that look at them. Every term appears unweighted, the weighted totals
    as `loss_discriminator` and `loss_generator`.
    Raises `NonFiniteError` before the networks that it is about move; discriminators may have moved before.
    """
    rates = state.set_learning_rates()
    _free_gradients(state, "generators", "discriminators")
    passes = [(domain,) for domain in DOMAINS] if state.config.less_memory else [DOMAINS]
    parts = []
    for sources in passes:
        with state.engine.averaging_later(state.generators, on=sources != passes[-1]):
            parts.append(_pass(state, batch, faces, sources))
    values = _together(parts)
    values["grad_norm_generator"] = _move(state, "generator")
    state.method.constrain()
    if state.ema is not None:
        state.ema.update(state.method.generators, state.step)
    state.step += 1
    return values | {f"lr_{name.removesuffix('s')}": rate for name, rate in rates.items()}


def _pass(state: TrainState, batch: Batch, faces: Faces | None, sources: Sequence[Domain]) -> dict[str, float]:
    """What comes from the pictures of `sources`: update discriminators, then add to the gradients of the generators.

    Nothing of it is kept but numbers and gradients, so that one domain after the other needs half the memory.
    """
    # Every pass draws the numbers of the whole step, so that they do not depend on the number of passes.
    # The 0 has been there from the start: a run of an older version goes on with the styles it would have drawn.
    share = state.engine.share(rng_for(state.config.seed, "step", 0, state.step))
    method = state.method
    method.discriminators.requires_grad_(True)
    with state.engine.autocast():
        outputs = method.generate(state.generators, batch, share, state.step, sources)
        _close_holes(state, batch)
        d_terms = method.discriminator_terms(state.discriminators, outputs.detached(), batch, share, state.step)
    values = _add_gradients(state, "discriminator", Terms(d_terms), method.weights(state.step))
    del d_terms
    values["grad_norm_discriminator"] = _move(state, "discriminator")
    _free_gradients(state, "discriminators")
    method.discriminators.requires_grad_(False)  # the generator update needs gradients through them, not for them
    with state.engine.autocast():
        g_terms = Terms(method.generator_terms(method.discriminators, outputs, batch, share, state.step))
        g_terms |= state.extra_losses.terms(outputs, batch, faces, share, state.step)
    _close_holes(state, batch)
    weights = {**method.weights(state.step), **state.extra_losses.weights(state.step)}
    return values | _add_gradients(state, "generator", g_terms, weights)


def _together(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """The numbers of a step by those of its passes, which add up; each moved other discriminators."""
    names = dict.fromkeys(name for part in parts for name in part)
    sums = {name: sum(part.get(name, 0.0) for part in parts) for name in names}
    return sums | {"grad_norm_discriminator": math.hypot(*(part["grad_norm_discriminator"] for part in parts))}


def _free_gradients(state: TrainState, *networks: str) -> None:
    """Forget gradients as soon as they are used: they take as much memory as the weights."""
    for name in networks:
        state.optimizers[name].zero_grad()


def _close_holes(state: TrainState, batch: Batch) -> None:
    """Give memory back between maps that are kept, where these are large or little memory matters more than time."""
    num_bytes = batch.x_a[:, 0].numel() * (2 if state.engine.precision == "bf16" else 4)
    is_worth_it = state.config.saves_memory or num_bytes >= _LARGE_BYTES
    if is_worth_it and state.engine.device.type == "cpu":
        give_back_free_memory()


def _add_gradients(state: TrainState, which: str, terms: Terms, weights: Mapping[str, float]) -> dict[str, float]:
    """Back-propagate the weighted sum of `terms` to the networks of `which`, and give its numbers for the log."""
    total = torch.stack([weights[name] * term for name, term in terms.losses.items()]).sum()
    means = state.engine.mean(
        torch.stack([total.detach(), *(term.detach() for term in terms.losses.values())])
    ).tolist()
    names = [f"loss_{which}", *(f"{which}/{name}" for name in terms.losses)]
    values = dict(zip(names, means, strict=True))
    _check_finite({name: value for name, value in values.items() if "/" in name}, state.step)
    values |= _observations(state, terms.observed)
    with thin_gradients(state.optimizers[f"{which}s"].thin, on=state.engine.world_size == 1):
        total.backward()  # type: ignore[no-untyped-call]
    return values


def _move(state: TrainState, which: str) -> float:
    """Move the networks of `which` by their gradients, unless these are not finite. Returns their norm."""
    optimizer = state.optimizers[f"{which}s"]
    norm = gradient_norm(state.networks[f"{which}s"].parameters(), optimizer.thin)
    _check_finite({f"the gradient of loss_{which}": norm}, state.step)
    optimizer.step()
    return norm


def _observations(state: TrainState, observed: Mapping[str, Observed]) -> dict[str, float]:
    """The means of what was observed in all processes, without what nobody observed."""
    if not observed:
        return {}
    sums = state.engine.mean(torch.stack([item.sums() for item in observed.values()])).tolist()
    return {name: total / count for name, (total, count) in zip(observed, sums, strict=True) if count > 0}


def gradient_norm(parameters: Iterable[nn.Parameter], thin: Mapping[Tensor, ThinGradient] | None = None) -> float:
    """The Euclidean norm of all gradients together, those that are `thin` among them."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [*torch._foreach_norm(gradients), *(gradient.norm().float() for gradient in (thin or {}).values())]
    return float(torch.linalg.vector_norm(torch.stack(norms)))


def _check_finite(values: Mapping[str, float], step: int) -> None:
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise NonFiniteError(
            f"Step {step}: {', '.join(bad)}; the networks were not changed by it",
            "Resume from the last checkpoint with lower learning rates (--set optimizer.lr_generator=5e-5 "
            "--set optimizer.lr_discriminator=5e-5) or --precision fp32.",
        )
