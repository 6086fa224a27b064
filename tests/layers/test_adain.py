import torch

from unpaired.layers.adain import adain


def test_gives_each_channel_of_each_sample_the_asked_mean_and_standard_deviation():
    x = torch.randn(3, 4, 16, 16) * 5 + 2
    bias, scale = torch.randn(3, 4), torch.rand(3, 4) + 0.5
    out = adain(x, bias, scale).value()
    torch.testing.assert_close(out.mean((2, 3)), bias, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std((2, 3), correction=0), scale, atol=1e-4, rtol=0)


def test_a_sample_does_not_depend_on_its_neighbours_in_the_batch():
    x, bias, scale = torch.randn(3, 4, 8, 8), torch.randn(3, 4), torch.randn(3, 4)
    alone = adain(x[1:2], bias[1:2], scale[1:2]).value()
    torch.testing.assert_close(adain(x, bias, scale).value()[1:2], alone)


def test_gradients_reach_the_input_and_the_parameters():
    x, bias, scale = (torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in ((2, 2, 3, 3), (2, 2), (2, 2)))
    assert torch.autograd.gradcheck(lambda *inputs: adain(*inputs).value(), (x, bias, scale))
