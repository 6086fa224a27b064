"""How many multiply-accumulates (MAC) a training step or a translation truly needs.

Counted are convolutions and linear layers, as the plain algorithm makes them after savings that change no result: one
generator pass a step; a convolution after nearest ×2 on the small grid (each of the four phases of its output sees
fewer different pixels: 3×3 instead of 5×5, 2×2 instead of 3×3); attention's weights folded into the mixing that
follows; no gradient where nobody asks for it. Norms, activations, spectral norm and optimizers are left out.

An algorithm with fewer multiplications, such as Winograd's, can do with less than is "needed" here.
"""

from __future__ import annotations

from dataclasses import dataclass

from unpaired.models.munit import config as munit
from unpaired.models.munit.config import NUM_STYLE_DOWNSAMPLES, MunitConfig
from unpaired.models.ugatit import config as ugatit
from unpaired.models.ugatit.config import NUM_DOWNSAMPLES, UgatitConfig
from unpaired.schedules import value_at

PICTURE_CHANNELS = 3


@dataclass(frozen=True)
class Work:
    """MAC of one forward pass of a network: of all layers, and of the first one, `stem`, alone.

    Each of the two gradients of a layer, to its weights and to its input, costs what its forward pass costs.
    """

    forward: float
    stem: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.forward + other.forward, self.stem + other.stem)

    def trained(self) -> float:
        """Forward, gradients of the weights and of the input."""
        return 3 * self.forward

    def trained_on_data(self) -> float:
        """The same for an input that no gradient is sent into."""
        return 3 * self.forward - self.stem

    def passed_through(self) -> float:
        """Forward and gradient of the input: the weights are frozen."""
        return 2 * self.forward


def needed_macs(config: MunitConfig | UgatitConfig, size: int, batch: int) -> float:
    """MAC that one training step with pictures of `size` × `size` pixels truly needs."""
    if isinstance(config, MunitConfig):
        return batch * _munit_step(config, size, plain=False)
    return batch * _ugatit_step(config, size, plain=False)


def reference_macs(config: MunitConfig | UgatitConfig, size: int, batch: int) -> float:
    """MAC of the same step as the reference code makes it: its layers as written, its passes and gradients."""
    if isinstance(config, MunitConfig):
        encoder, decoder, discriminator = _munit_parts(config, size, plain=True)
        again = encoder.forward + decoder.forward  # to make the pictures that the discriminators are trained with
        unused = discriminator.forward  # gradients of the discriminators' weights in the generator update
        return batch * (_munit_step(config, size, plain=True) + 2 * (again + unused))
    generator, discriminator = _generator(config, size, plain=True), _ugatit_discriminators(config, size, plain=True)
    again = generator.trained_on_data()  # the discriminator update sends its gradient into the generators
    unused = discriminator.forward + discriminator.stem  # gradients as above, and into the translated pictures
    return batch * (_ugatit_step(config, size, plain=True) + 2 * (again + unused))


def translation_macs(config: MunitConfig, size: int, num_styles: int) -> float:
    """MAC of one picture of `size` × `size` pixels translated in `num_styles` styles: encoded once."""
    decoder = _munit_decoder(config.generator, size, plain=False)
    return _content_encoder(config.generator, size).forward + num_styles * decoder.forward


def _munit_step(config: MunitConfig, size: int, *, plain: bool) -> float:
    others = (value_at(config.weights.mode_seeking, 0), value_at(config.weights.r1, 0))
    assert config.mixup is None, "mixup scores other pictures: it is not counted"
    assert not any(others), "mode seeking and R1 are not counted"
    encoder, decoder, discriminator = _munit_parts(config, size, plain=plain)
    num_decoded = 3 if value_at(config.weights.cycle, 0) > 0 else 2  # own style, translation, cycle
    generate = encoder.trained_on_data() + encoder.trained() + num_decoded * decoder.trained()
    discriminate = 2 * discriminator.trained_on_data()  # a real and a translated picture
    return 2 * (generate + discriminate + discriminator.passed_through())


def _munit_parts(config: MunitConfig, size: int, *, plain: bool) -> tuple[Work, Work, Work]:
    generator = config.generator
    encoder = _content_encoder(generator, size) + _style_encoder(generator, size)
    return encoder, _munit_decoder(generator, size, plain=plain), _munit_discriminator(config.discriminator, size)


def _content_encoder(config: munit.GeneratorConfig, size: int) -> Work:
    stem = conv(PICTURE_CHANNELS, config.dim, 7, size)
    total, channels = stem, config.dim
    for _ in range(config.num_downsamples):
        size //= 2
        total += conv(channels, 2 * channels, 4, size)
        channels *= 2
    return Work(total + config.num_res_blocks * 2 * conv(channels, channels, 3, size), stem)


def _style_encoder(config: munit.GeneratorConfig, size: int) -> Work:
    stem = conv(PICTURE_CHANNELS, config.dim, 7, size)
    total, channels = stem, config.dim
    for level in range(NUM_STYLE_DOWNSAMPLES):
        size //= 2
        wider = 2 * channels if level < 2 else channels
        total += conv(channels, wider, 4, size)
        channels = wider
    return Work(total + channels * config.style_dim, stem)


def _munit_decoder(config: munit.GeneratorConfig, size: int, *, plain: bool) -> Work:
    channels = config.dim * 2**config.num_downsamples
    small = size // 2**config.num_downsamples
    num_parameters = config.num_res_blocks * 4 * channels
    total = config.style_dim * config.mlp_dim + config.mlp_dim**2 + config.mlp_dim * num_parameters
    total += config.num_res_blocks * 2 * conv(channels, channels, 3, small)
    for _ in range(config.num_downsamples):
        total += upsampling_conv(channels, channels // 2, 5, small, plain=plain)
        channels, small = channels // 2, 2 * small
    return Work(total + conv(channels, PICTURE_CHANNELS, 7, size))


def _munit_discriminator(config: munit.DiscriminatorConfig, size: int) -> Work:
    work = Work(0.0)
    for _ in range(config.num_scales):
        work += _patches(config, size)
        size //= 2
    return work


def _patches(config: munit.DiscriminatorConfig, size: int) -> Work:
    size //= 2
    stem = conv(PICTURE_CHANNELS, config.dim, 4, size)
    total, channels = stem, config.dim
    for _ in range(config.num_layers - 1):
        size //= 2
        total += conv(channels, 2 * channels, 4, size)
        channels *= 2
    return Work(total + conv(channels, 1, 1, size), stem)


def _ugatit_step(config: UgatitConfig, size: int, *, plain: bool) -> float:
    generator = _generator(config, size, plain=plain)
    discriminators = _ugatit_discriminators(config, size, plain=plain)
    generate = 2 * generator.trained_on_data() + generator.trained()  # translation and identity; the way back
    discriminate = 2 * discriminators.trained_on_data()
    return 2 * (generate + discriminate + discriminators.passed_through())


def _generator(config: UgatitConfig, size: int, *, plain: bool) -> Work:
    generator = config.generator
    stem = conv(PICTURE_CHANNELS, generator.dim, 7, size)
    total, channels, small = stem, generator.dim, size
    for _ in range(NUM_DOWNSAMPLES):
        small //= 2
        total += conv(channels, 2 * channels, 3, small)
        channels *= 2
    total += 2 * generator.num_res_blocks * 2 * conv(channels, channels, 3, small)  # of the encoder and the decoder
    total += _attention(channels, small, plain=plain) + _modulation(generator, channels, small)
    for _ in range(NUM_DOWNSAMPLES):
        total += upsampling_conv(channels, channels // 2, 3, small, plain=plain)
        channels, small = channels // 2, 2 * small
    return Work(total + conv(channels, PICTURE_CHANNELS, 7, size), stem)


def _attention(channels: int, size: int, *, plain: bool) -> float:
    """Two weighted copies of the features, mixed; or the features mixed once with weighted weights."""
    return conv(2 * channels if plain else channels, channels, 1, size)


def _modulation(config: ugatit.GeneratorConfig, channels: int, size: int) -> float:
    positions = 1 if config.light else size**2
    return channels**2 * (positions + 3)


def _ugatit_discriminators(config: UgatitConfig, size: int, *, plain: bool) -> Work:
    """The global and the local one of a domain."""
    settings, work = config.discriminator, Work(0.0)
    for num_layers in (settings.num_layers_global, settings.num_layers_local):
        work += _attentive_patches(settings.dim, num_layers, size, plain=plain)
    return work


def _attentive_patches(dim: int, num_layers: int, size: int, *, plain: bool) -> Work:
    size //= 2
    stem = conv(PICTURE_CHANNELS, dim, 4, size)
    total, channels = stem, dim
    for _ in range(num_layers - 3):
        size //= 2
        total += conv(channels, 2 * channels, 4, size)
        channels *= 2
    total += conv(channels, 2 * channels, 4, size - 1)  # stride 1, padded by one pixel: it loses one
    channels, size = 2 * channels, size - 1
    return Work(total + _attention(channels, size, plain=plain) + conv(channels, 1, 4, size - 1), stem)


def conv(in_channels: int, out_channels: int, kernel: int, out_size: int) -> float:
    """MAC of a convolution whose result has `out_size` × `out_size` pixels."""
    return float(in_channels * out_channels * kernel**2 * out_size**2)


def upsampling_conv(in_channels: int, out_channels: int, kernel: int, in_size: int, *, plain: bool) -> float:
    """MAC of a convolution after nearest ×2 of `in_size` × `in_size` pixels, as written or on the small grid."""
    if plain:
        return conv(in_channels, out_channels, kernel, 2 * in_size)
    return conv(in_channels, 4 * out_channels, kernel // 2 + 1, in_size)
