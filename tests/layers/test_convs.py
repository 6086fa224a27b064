import pytest
import torch

from unpaired.layers.convs import ConvBlock, make_activation, make_conv
from unpaired.layers.pending import Pending


@pytest.mark.parametrize("pad", ["reflect", "replicate", "zero"])
def test_padding_is_of_the_kind_asked_for(pad):
    conv = make_conv(1, 1, 3, 1, 1, pad=pad)
    x = torch.randn(1, 1, 4, 4)
    mode = {"zero": "constant"}.get(pad, pad)
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode=mode)
    expected = torch.nn.functional.conv2d(padded, conv.weight, conv.bias)
    torch.testing.assert_close(conv(Pending(x)), expected)


def test_a_convolution_has_a_bias_even_before_a_norm():
    assert ConvBlock(3, 4, 3, 1, 1, pad="zero", norm="instance", activation="relu").conv.bias is not None


def test_spectral_norm_brings_the_largest_singular_value_to_1():
    torch.manual_seed(0)
    conv = make_conv(4, 8, 3, 1, 1, pad="zero", spectral=True)
    with torch.no_grad():
        conv.parametrizations.weight.original.mul_(10)
        for _ in range(50):
            conv(Pending(torch.randn(1, 4, 8, 8)))
    assert torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("relu", 0.0), ("lrelu", -0.2), ("prelu", -0.25), ("selu", -1.1113), ("tanh", -0.7616), ("none", -1.0)],
)
def test_activations(name, expected):
    assert make_activation(name)(torch.tensor([-1.0])).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("norm", ["none", "instance", "layer", "batch", "group", "spectral"])
def test_gradients_of_a_block_have_gradients_with_every_norm(norm):
    """R1 needs them."""
    torch.manual_seed(0)
    block = ConvBlock(2, 8, 4, 2, 1, pad="reflect", norm=norm, activation="lrelu").double().eval()
    x = torch.randn(2, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: block(Pending(x)).value(), x)
