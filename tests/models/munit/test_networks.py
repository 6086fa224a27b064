from dataclasses import replace

import pytest
import torch
from tiny_networks import num_parameters

from unpaired.models.munit import networks
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.models.munit.discriminators import MultiScaleDiscriminator
from unpaired.models.munit.networks import AutoEncoder, MunitGenerators

SMALL = GeneratorConfig(dim=8, mlp_dim=8, style_dim=3, num_res_blocks=2)


def test_parameter_counts_at_the_defaults_are_the_papers():
    with torch.device("meta"):
        auto_encoder = AutoEncoder(GeneratorConfig())
        assert num_parameters(auto_encoder.style_encoder) == 2_764_936
        assert num_parameters(auto_encoder.content_encoder) == 5_385_856
        assert num_parameters(auto_encoder.decoder) == 5_754_627
        assert num_parameters(auto_encoder.mlp) == 1_120_768
        assert num_parameters(auto_encoder) == 15_026_187
        assert num_parameters(MultiScaleDiscriminator(DiscriminatorConfig())) == 8_271_171


@pytest.mark.parametrize(
    "changes",
    [
        {"num_downsamples": 1},
        {"num_downsamples": 3},
        {"num_res_blocks": 1},
        {"activation": "selu"},
        {"activation": "prelu"},
        {"padding": "zero"},
        {"padding": "replicate"},
        {"content_norm": "spectral"},
        {"style_norm": "group"},
        {"upsample_norm": "instance"},
        {"upsample_norm": "group"},
        {"upsample_norm": "none"},
        {"upsample_norm": "batch"},
    ],
)
def test_every_generator_option_builds_networks_that_keep_the_size_and_learn(changes):
    config = replace(SMALL, **changes)
    auto_encoder = AutoEncoder(config)
    content, style = auto_encoder.encode(torch.randn(2, 3, 32, 48))
    factor = 2**config.num_downsamples
    assert content.shape == (2, 8 * factor, 32 // factor, 48 // factor)
    assert style.shape == (2, 3)
    out = auto_encoder.decode(content, style)
    assert out.shape == (2, 3, 32, 48)
    assert out.abs().max() <= 1
    out.square().mean().backward()
    assert all(p.grad is not None for p in auto_encoder.parameters())


def test_changing_the_style_changes_the_picture_and_changing_the_batch_mates_does_not():
    generators = MunitGenerators(MunitConfig(generator=SMALL)).eval()
    x, styles = torch.randn(2, 3, 32, 32), torch.randn(2, 3)
    with torch.no_grad():
        both = generators.translate(x, "b", styles)
        alone = generators.translate(x[:1], "b", styles[:1])
        other_style = generators.translate(x[:1], "b", styles[1:])
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=1e-5)
    assert (other_style - alone).abs().max() > 1e-3


def test_forward_mutates_no_module():
    generators = MunitGenerators(MunitConfig(generator=SMALL))
    before = {name: tensor.clone() for name, tensor in generators.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in generators.named_modules()}
    generators({d: torch.randn(1, 3, 32, 32) for d in "ab"}, {d: torch.randn(1, 3) for d in "ab"}, True)
    assert {name: set(vars(module)) for name, module in generators.named_modules()} == attributes
    assert all(torch.equal(tensor, before[name]) for name, tensor in generators.state_dict().items())


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_decoding_all_is_decoding_each(norm):
    """With batch norm also in training mode: its statistics are those of each call."""
    auto_encoder = AutoEncoder(replace(SMALL, upsample_norm=norm))
    assert auto_encoder.mixes_samples is (norm == "batch")
    codes = [(torch.randn(num, 32, 8, 8), torch.randn(num, 3)) for num in (1, 2, 1)]
    pictures = list(auto_encoder.decode_all(*codes))
    assert [len(x) for x in pictures] == [1, 2, 1]
    for x, code in zip(pictures, codes, strict=True):
        torch.testing.assert_close(x, auto_encoder.decode(*code), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("large", "sizes"), [(33 * 33, [4]), (32 * 32, [1, 2, 1])])
def test_large_pictures_are_decoded_call_by_call(monkeypatch, large, sizes):
    monkeypatch.setattr(networks, "LARGE_PIXELS", large)
    auto_encoder, seen = AutoEncoder(SMALL), []
    auto_encoder.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    list(auto_encoder.decode_all(*[(torch.randn(num, 32, 8, 8), torch.randn(num, 3)) for num in (1, 2, 1)]))
    assert seen == sizes


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize("num_res_blocks", [0, 2])
def test_decoding_a_content_in_many_styles_is_decoding_each(num_res_blocks):
    generators = MunitGenerators(MunitConfig(generator=replace(SMALL, num_res_blocks=num_res_blocks)))
    content = torch.randn(2, 32, 8, 8)
    with torch.no_grad():
        decode = generators.decoder_of(content, "b")
        for style in torch.randn(3, 2, 3):
            assert torch.equal(decode(style), generators.decode(content, style, "b"))
