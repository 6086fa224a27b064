"""Our Adam against torch's, for every order of memory and for gradients that are left thin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unpaired.layers.thin import ThinGradient
from unpaired.training import adam
from unpaired.training.adam import Adam, Group

ORDERS = [torch.contiguous_format, torch.channels_last]
DECAY = 0.1


def parameters(order: torch.memory_format) -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(12, 3, 2, 2).contiguous(memory_format=order)), nn.Parameter(torch.randn(5))]


def pair(order: torch.memory_format) -> tuple[list[nn.Parameter], Adam, list[nn.Parameter], torch.optim.Adam]:
    """Parameters with our optimizer, and the same with torch's plain one."""
    ours, theirs = parameters(order), parameters(torch.contiguous_format)
    groups = [Group(ours[:1], DECAY), Group(ours[1:])]
    plain = [{"params": theirs[:1], "weight_decay": DECAY}, {"params": theirs[1:], "weight_decay": 0.0}]
    optimizer = Adam(groups, learning_rate=0.1, betas=(0.5, 0.9))
    return ours, optimizer, theirs, torch.optim.Adam(plain, lr=0.1, betas=(0.5, 0.9), foreach=False)


def assert_same(ours: list[nn.Parameter], optimizer: Adam, theirs: list[nn.Parameter], plain: torch.optim.Adam) -> None:
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.detach(), other.detach())
        assert optimizer.state[own].keys() == plain.state[other].keys()
        for name, value in plain.state[other].items():
            torch.testing.assert_close(optimizer.state[own][name], value)


@pytest.mark.parametrize("of_gradient", ORDERS)
@pytest.mark.parametrize("of_weight", ORDERS)
def test_updates_are_torchs_in_every_order_of_memory(of_weight, of_gradient):
    ours, optimizer, theirs, plain = pair(of_weight)
    for _ in range(3):
        for own, other in zip(ours, theirs, strict=True):
            other.grad = torch.randn(other.shape)
            own.grad = other.grad.contiguous(memory_format=of_gradient) if own.dim() == 4 else other.grad.clone()
        optimizer.step()
        plain.step()
    assert_same(ours, optimizer, theirs, plain)
    assert ours[0].is_contiguous(memory_format=of_weight)


def test_the_update_of_other_devices_is_torchs_too():
    """All parameters of a group in one call. It works on a CPU as well, where it can be compared."""
    ours, optimizer, theirs, plain = pair(torch.contiguous_format)
    for _ in range(3):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn(own.shape)
            other.grad = own.grad.clone()
        with torch.no_grad():
            for group in optimizer.groups:
                optimizer._update_together(group)
        plain.step()
    assert_same(ours, optimizer, theirs, plain)


@pytest.mark.parametrize("rows_at_a_time", [1, 5, 100])
def test_a_thin_gradient_gives_the_update_of_the_product(rows_at_a_time, monkeypatch):
    monkeypatch.setattr(adam, "_BLOCK_NUMBERS", rows_at_a_time * 12)
    ours, optimizer, theirs, plain = pair(torch.channels_last)
    for _ in range(3):
        thin = ThinGradient(torch.randn(2, 12), torch.randn(2, 12))
        optimizer.thin = {ours[0]: thin}
        theirs[0].grad = thin.dense(theirs[0])
        ours[1].grad = torch.randn(5)
        theirs[1].grad = ours[1].grad.clone()
        optimizer.step()
        plain.step()
    assert_same(ours, optimizer, theirs, plain)


def test_parameters_without_a_gradient_stay_as_they_are():
    ours, optimizer, _, _ = pair(torch.channels_last)
    before: list[Tensor] = [parameter.detach().clone() for parameter in ours]
    optimizer.thin = {ours[0]: ThinGradient(torch.ones(1, 12), torch.ones(1, 12))}
    optimizer.zero_grad()
    optimizer.step()
    assert all(torch.equal(own, old) for own, old in zip(ours, before, strict=True))
    assert not any(value.any() for own in ours for value in optimizer.state[own].values())
