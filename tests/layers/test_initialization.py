import pytest
import torch
from torch import nn

from unpaired.layers.convs import make_conv
from unpaired.layers.initialization import initialize


def drawn(name: str, seed: int = 0, gain: float = 2**0.5) -> nn.Conv2d:
    conv = nn.Conv2d(64, 32, 3)
    initialize(conv, name, seed=seed, gain=gain)
    return conv


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("kaiming", (2 / (64 * 9)) ** 0.5), ("gaussian", 0.02), ("xavier", 2**0.5 * (2 / (96 * 9)) ** 0.5)],
)
def test_weights_have_the_stated_deviation_and_biases_are_0(name, deviation):
    conv = drawn(name)
    assert conv.weight.std().item() == pytest.approx(deviation, rel=0.03)
    assert conv.bias.abs().max() == 0


def test_orthogonal_rows_are_orthogonal_with_the_gain_as_length():
    rows = drawn("orthogonal", gain=2.0).weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 4 * torch.eye(32), atol=1e-4, rtol=0)


def test_default_leaves_torchs_own_uniform_range():
    weight = drawn("default").weight
    assert weight.abs().max() <= 1 / (64 * 9) ** 0.5 + 1e-6


@pytest.mark.parametrize("name", ["kaiming", "gaussian", "xavier", "orthogonal", "default"])
def test_is_a_function_of_the_seed_and_leaves_the_global_random_state_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = drawn(name, seed=3).weight
    torch.set_rng_state(before)
    nn.Conv2d(64, 32, 3)  # what building the layer draws by itself
    after_building = torch.get_rng_state()
    torch.set_rng_state(before)
    assert torch.equal(first, drawn(name, seed=3).weight)
    assert torch.equal(torch.get_rng_state(), after_building)
    assert not torch.equal(first, drawn(name, seed=4).weight)


def test_reaches_the_weight_behind_spectral_norm():
    conv = make_conv(16, 16, 3, 1, 1, pad="zero", spectral=True)
    initialize(conv, "gaussian", seed=0)
    assert conv.parametrizations.weight.original.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("name", ["gaussian", "default"])
def test_a_spectrally_normalized_layer_is_a_function_of_the_seed_and_starts_normalized(name):
    first, again = (make_conv(16, 8, 3, 1, 1, pad="zero", spectral=True) for _ in range(2))
    initialize(first, name, seed=2)
    initialize(again, name, seed=2)
    states = first.state_dict(), again.state_dict()
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())
    largest = torch.linalg.matrix_norm(first.eval().weight.detach().flatten(1), ord=2)
    assert float(largest) == pytest.approx(1, rel=0.05)
