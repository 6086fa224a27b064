"""What is kept of a weight: made once, and again after every change that torch is told of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unpaired.layers.kept import Kept


@pytest.fixture
def made() -> list[Tensor]:
    return []


@pytest.fixture
def double(made):
    def double(weight: Tensor) -> Tensor:
        made.append(weight)
        return weight * 2

    return double


def test_a_weight_that_stays_is_used_once(made, double):
    kept, weight = Kept(), nn.Parameter(torch.ones(3))
    with torch.inference_mode():
        first = kept.of(weight, double)
    again = kept.of(weight, double)
    assert torch.equal(again, torch.full((3,), 2.0))
    assert first is again
    assert not again.requires_grad
    assert not again.is_inference()
    assert len(made) == 1


def test_each_function_has_its_own(double):
    kept, weight = Kept(), torch.ones(3)
    assert kept.of(weight, double)[0] == 2
    assert kept.of(weight, torch.neg)[0] == -1
    assert kept.of(weight, double)[0] == 2


def changed_in_place(weight: Tensor) -> Tensor:
    with torch.no_grad():
        return weight.fill_(5.0)


def loaded(weight: Tensor) -> Tensor:
    layer = nn.Module()
    layer.weight = weight
    layer.load_state_dict({"weight": torch.full((3,), 5.0)})
    return weight


def moved(weight: Tensor) -> Tensor:
    weight.data = torch.full((3,), 5.0)
    return weight


def replaced(_: Tensor) -> Tensor:
    return nn.Parameter(torch.full((3,), 5.0))


@pytest.mark.parametrize("change", [changed_in_place, loaded, moved, replaced])
def test_after_a_change_it_is_made_again(double, change):
    kept, weight = Kept(), nn.Parameter(torch.ones(3))
    kept.of(weight, double)
    assert kept.of(change(weight), double).tolist() == [10.0] * 3


def test_scratch_memory_may_be_used_again():
    kept, scratch = Kept(), torch.empty(3)

    def in_scratch(weight: Tensor) -> Tensor:
        return scratch.copy_(weight)

    found = kept.of(torch.ones(3), in_scratch)
    scratch.zero_()
    assert found.tolist() == [1.0] * 3
