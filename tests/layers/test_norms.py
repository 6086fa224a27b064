import pytest
import torch

from unpaired.layers.norms import SampleLayerNorm, make_norm


def test_sample_layer_norm_divides_by_the_unbiased_deviation_plus_eps():
    norm = SampleLayerNorm(3, eps=0.5)  # a large eps, so that adding it to the variance would show
    x = torch.randn(2, 3, 4, 5) * 3 + 1
    flat = x.flatten(1)
    expected = (x - flat.mean(1).view(2, 1, 1, 1)) / (flat.std(1).view(2, 1, 1, 1) + 0.5)
    expected = expected * norm.scale.view(1, 3, 1, 1) + norm.shift.view(1, 3, 1, 1)
    torch.testing.assert_close(norm(x).value(), expected)


def test_sample_layer_norm_starts_with_a_scale_between_0_and_1_and_no_shift():
    norm = SampleLayerNorm(500)
    assert 0 <= norm.scale.min() < 0.1 < 0.9 < norm.scale.max() < 1
    assert not norm.shift.any()


def test_sample_layer_norm_keeps_the_type_of_its_input():
    assert SampleLayerNorm(2)(torch.randn(1, 2, 4, 4, dtype=torch.bfloat16)).value().dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["none", "instance", "layer", "batch", "group", "spectral"])
def test_every_norm_keeps_the_shape(name):
    assert make_norm(name, 8)(torch.randn(2, 8, 4, 4)).value().shape == (2, 8, 4, 4)


def test_instance_norm_takes_the_statistics_out():
    out = make_norm("instance", 8)(torch.randn(2, 8, 16, 16) * 4 + 3).value()
    torch.testing.assert_close(out.mean((2, 3)), torch.zeros(2, 8), atol=1e-5, rtol=0)
