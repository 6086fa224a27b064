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


def test_the_gradient_lies_in_memory_as_the_map_does():
    """Contiguous, it would make everything slow that is added to it: maps are in channels-last order on a CPU."""
    x, target = (drawn(seed).contiguous(memory_format=torch.channels_last) for seed in (0, 1))
    (grad,) = torch.autograd.grad(mean_absolute_error(x.requires_grad_(), target), x)
    assert grad.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(grad, (x - target).sign() / x.numel())


def drawn(seed: int) -> torch.Tensor:
    return torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(seed))
