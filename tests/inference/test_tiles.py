"""Tiles are compared with one pass over the same picture, which still fits here."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from unpaired.inference.tiles import blend_weights, sample_patches, spans, translate_in_tiles

CPU = torch.device("cpu")
LEVEL = 2 / 255


@pytest.fixture
def scene():
    """Shapes of several scales on a background that gets darker to one side: tiles have very different statistics."""
    rng = torch.Generator().manual_seed(0)
    coarse = interpolate(torch.rand(1, 3, 5, 7, generator=rng), size=(192, 272), mode="nearest")
    fine = interpolate(torch.rand(1, 3, 48, 68, generator=rng), size=(192, 272), mode="bilinear")
    fade = torch.linspace(0.1, 1.0, 272)
    return (0.7 * coarse + 0.3 * fine) * fade * 2 - 1


def in_tiles(networks, x, style, max_pixels):
    with torch.inference_mode():
        return translate_in_tiles(networks, x, "b", style, max_pixels=max_pixels, device=CPU)


def one_pass(networks, x, style):
    with torch.inference_mode():
        return networks.translate(x, "b", style)


def test_tiles_are_close_to_one_pass(translator, scene):
    style = translator.draw_styles(1, 0)
    whole = one_pass(translator.networks, scene, style)
    difference = (in_tiles(translator.networks, scene, style, 128 * 128) - whole).abs()
    parts = [one_pass(translator.networks, part.contiguous(), style) for part in scene.split(68, dim=3)]
    apart = (torch.cat(parts, dim=3) - whole).abs()
    assert difference.mean() < apart.mean() / 3  # what pieces translated alone differ by


def test_tiles_of_a_model_with_global_features_are_close_to_one_pass(attentive, scene):
    """U-GAT-IT's γ and β follow from the mean of the features of the whole picture, AdaLIN from its statistics."""
    networks = attentive.networks
    whole = one_pass(networks, scene, None)
    difference = (in_tiles(networks, scene, None, 128 * 128) - whole).abs()
    parts = [one_pass(networks, part.contiguous(), None) for part in scene.split(68, dim=3)]
    apart = (torch.cat(parts, dim=3) - whole).abs()
    assert difference.mean() < apart.mean() / 3
    closer = (in_tiles(networks, scene, None, 192 * 271) - whole).abs()
    assert closer.mean() < difference.mean()


def test_the_nearer_to_one_pass_the_closer(translator, scene):
    style = translator.draw_styles(1, 1)
    whole = one_pass(translator.networks, scene, style)
    differences = [
        (in_tiles(translator.networks, scene, style, pixels) - whole).abs().mean()
        for pixels in (64 * 64, 128 * 128, 192 * 271)
    ]
    assert differences == sorted(differences, reverse=True)
    assert differences[-1] < 0.25 * LEVEL


def test_no_seam_where_tiles_meet(translator, scene):
    """Steps between neighbouring columns are no larger where tiles overlap than one pass has them there."""
    style = translator.draw_styles(1, 2)

    def steps(y):
        return (y[..., 1:] - y[..., :-1]).abs().mean(dim=(0, 1, 2))

    whole, tiled = (steps(make) for make in (one_pass(translator.networks, scene, style),
                                             in_tiles(translator.networks, scene, style, 96 * 96)))  # fmt: skip
    assert (tiled - whole).max() < 3 * LEVEL


def test_a_flat_picture_stays_flat(translator):
    y = in_tiles(translator.networks, torch.full((1, 3, 96, 160), 0.3), translator.draw_styles(1, 0), 64 * 64)
    inside = y[..., 20:-20, 20:-20]
    assert (inside.amax(dim=(2, 3)) - inside.amin(dim=(2, 3))).max() < LEVEL


def test_the_translator_tiles_what_is_larger_than_its_bound(run_once, scene):
    from unpaired.inference.bundle import open_model
    from unpaired.inference.translator import Translator

    seen = []

    class Watched(Translator):
        """Remembers the largest picture that its networks were given."""

    small = Watched(open_model(run_once), device="cpu", max_pixels=80 * 80)
    inner = small.networks.translate
    small.networks.translate = lambda x, to, style: seen.append(x.numel() // 3) or inner(x, to, style)  # type: ignore[method-assign]
    x = scene[..., :171, :269]
    y = small.translate_tensor(x, to="b", seed=0)
    assert y.shape == x.shape
    assert max(seen) <= 80 * 80
    (variant,) = small.variants(x, "b", small.draw_styles(1, 0))
    assert torch.equal(variant, y)


@settings(max_examples=100)
@given(length=st.integers(1, 400), tile=st.sampled_from([16, 32, 64]), share=st.sampled_from([2, 4]))
def test_tiles_cover_a_side_and_their_weights_sum_to_one(length, tile, share):
    overlap = tile // share
    unseen = overlap // 4
    total = torch.zeros(length)
    for start, end in spans(length, tile, overlap):
        assert 0 < end - start <= tile
        total[start:end] += blend_weights(start, end, length, overlap, unseen)
    assert torch.allclose(total, torch.ones(length), atol=1e-6)


def test_the_border_of_a_tile_counts_for_nothing():
    weights = blend_weights(32, 96, 200, overlap=16, unseen=4)
    assert weights[:4].tolist() == weights[-4:].tolist() == [0.0] * 4
    assert weights[16:-16].tolist() == [1.0] * 32


@given(height=st.integers(8, 300), width=st.integers(8, 300), max_side=st.integers(16, 200))
def test_patches_fit_and_are_spread(height, width, max_side):
    x = torch.zeros(1, 3, height, width)
    x[:, 0], x[:, 1] = torch.arange(height)[:, None], torch.arange(width)
    patches = sample_patches(x, max_side**2, 4)
    side = patches.shape[2]
    assert patches.shape[3] == side
    assert side % 4 == 0
    assert len(patches) * side**2 <= max(max_side**2, 64)
    if len(patches) > 1 and math.isqrt(len(patches)) ** 2 == len(patches) and height == width:
        assert patches[:, 0].max() == height - 1
        assert patches[:, 1].max() == width - 1
