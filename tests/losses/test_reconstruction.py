import pytest
import torch

from unpaired.losses.reconstruction import mean_absolute_error


def test_is_the_mean_over_all_elements():
    assert mean_absolute_error(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 1.0]])).item() == pytest.approx(2.0)


def test_sends_gradients_to_both_sides():
    x, target = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    mean_absolute_error(x, target).backward()
    assert x.grad.tolist() == [0.5, 0.5]
    assert target.grad.tolist() == [-0.5, -0.5]
