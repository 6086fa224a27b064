"""Whether the models keep to the device of their networks, on machines without one: tensors that only pretend."""

from dataclasses import replace

import pytest
import torch
from shared_steps import EVERY_TERM, UGATIT_FULL, UGATIT_LIGHT
from torch._subclasses.fake_tensor import FakeTensorMode

from unpaired.layers.share import Share
from unpaired.models import MODELS
from unpaired.models.base import DOMAINS, Batch
from unpaired.training.state import rng_for

SIZE = 32
MODEL_CONFIGS = {
    "munit": replace(EVERY_TERM, weights=replace(EVERY_TERM.weights, r1=0.0)),  # R1 differentiates, which they cannot
    "munit with batch norm": replace(
        EVERY_TERM,
        generator=replace(EVERY_TERM.generator, upsample_norm="batch"),
        weights=replace(EVERY_TERM.weights, r1=0.0),
    ),
    "ugatit light": UGATIT_LIGHT,
    "ugatit full": UGATIT_FULL,
    "ugatit of the original": replace(UGATIT_LIGHT, layers="tensorflow"),
}


@pytest.fixture
def cuda():
    """In here tensors on a CUDA device have shapes and no numbers; one of a CPU among them is an error, as there."""
    with FakeTensorMode():
        yield torch.device("cuda")


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_every_loss_is_made_on_the_device_of_the_networks(cuda, name):
    config = MODEL_CONFIGS[name]
    with cuda:
        method = MODELS[config.name].load_method()(config)
    batch, share = Batch(*(torch.empty(2, 3, SIZE, SIZE, device=cuda) for _ in DOMAINS)), Share(rng_for("test"))
    outputs = method.generate(method.generators, batch, share, 0)
    terms = method.discriminator_terms(method.discriminators, outputs.detached(), batch, share, 0)
    terms |= method.generator_terms(method.discriminators, outputs, batch, share, 0)
    assert {loss.device.type for loss in terms.values()} == {"cuda"}


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_translations_are_made_on_the_device_of_the_networks(cuda, name):
    config = MODEL_CONFIGS[name]
    with cuda:
        generators = MODELS[config.name].load_method().build_generators(config).eval()
        x = torch.empty(1, 3, SIZE, SIZE)
        style = None if generators.style_dim is None else torch.empty(1, generators.style_dim)
        with torch.inference_mode():
            picture = generators.translate(x, "b", style)
    assert (picture.device.type, picture.shape) == ("cuda", x.shape)


def test_a_tensor_of_the_cpu_among_them_is_noticed(cuda):
    with pytest.raises(RuntimeError, match="device"):
        torch.empty(2, device=cuda) + torch.empty(2)
