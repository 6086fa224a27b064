from __future__ import annotations

import math

import pytest
import torch

from unpaired.losses.attention import domain_attention_loss


def test_knowing_nothing_costs_two_ln_2():
    source, own = torch.zeros(3, 2), torch.zeros(2, 2)
    assert domain_attention_loss(source=source, own=own).item() == pytest.approx(2 * math.log(2))


def test_it_is_the_cross_entropy_of_the_formula():
    source, own = torch.tensor([[0.3, -1.2]]), torch.tensor([[2.0, 0.1]])
    expected = -(source.sigmoid().log().mean() + (1 - own.sigmoid()).log().mean())
    assert domain_attention_loss(source=source, own=own).item() == pytest.approx(expected.item())


def test_the_loss_of_both_is_the_sum_of_the_losses_of_each():
    """So the two can be had from two passes."""
    source, own = torch.randn(3, 2), torch.randn(2, 2)
    apart = domain_attention_loss(source=source) + domain_attention_loss(own=own)
    assert domain_attention_loss(source=source, own=own).item() == pytest.approx(apart.item())
