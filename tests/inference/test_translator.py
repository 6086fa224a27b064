from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unpaired import demo
from unpaired.data.images import read_picture, to_tensor
from unpaired.errors import UsageError, UserError
from unpaired.inference.bundle import Bundle, open_model
from unpaired.inference.facts import BundleConfig, DomainNames, PicturesConfig
from unpaired.inference.translator import Translator, load
from unpaired.models.munit.config import GeneratorConfig, MunitConfig
from unpaired.models.munit.networks import MunitGenerators

sides = st.integers(1, 70)


def drawings():
    return sorted((Path(demo.__file__).parent / "drawings").glob("*.png"))


def pixels(image):
    return np.asarray(image).astype(int)


class TestTranslate:
    def test_as_many_pictures_as_styles_at_the_scale_of_training(self, translator, picture):
        results = translator.translate(picture(80, 64), to="b", num_styles=3)
        assert [image.size for image in results] == [(40, 32)] * 3
        assert len({image.tobytes() for image in results}) == 3

    def test_it_is_what_the_networks_say(self, translator, picture):
        image = picture(40, 32)
        code = translator.draw_styles(1, seed=4)
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
        expected = translator.networks.translate(x, "b", code)
        values = expected[0].add(1).mul(127.5).round().clamp(0, 255).permute(1, 2, 0)
        assert (pixels(translator.translate(image, to="b", seed=4)[0]) == values.int().numpy()).all()

    def test_path_image_and_array_are_the_same_picture(self, translator, picture, tmp_path):
        image = picture()
        image.save(tmp_path / "x.png")
        first, *others = [
            translator.translate(given, to="b")[0].tobytes()
            for given in (image, tmp_path / "x.png", str(tmp_path / "x.png"), np.array(image))
        ]
        assert others == [first] * 3

    def test_grey_arrays_and_transparent_images(self, translator):
        assert translator.translate(np.zeros((32, 32), np.uint8), to="b")[0].size == (32, 32)
        clear = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
        white = Image.new("RGB", (32, 32), "white")
        assert translator.translate(clear, to="b")[0].tobytes() == translator.translate(white, to="b")[0].tobytes()

    def test_the_seed_decides(self, translator, picture):
        image = picture()
        once = translator.translate(image, to="b", num_styles=2, seed=1)
        assert [i.tobytes() for i in translator.translate(image, to="b", num_styles=2, seed=1)] == [
            i.tobytes() for i in once
        ]
        assert translator.translate(image, to="b", seed=2)[0].tobytes() != once[0].tobytes()

    def test_the_first_styles_do_not_depend_on_their_number(self, translator):
        assert torch.equal(translator.draw_styles(40, 5)[:3], translator.draw_styles(3, 5))

    def test_styles_are_standard_normal(self, translator):
        codes = translator.draw_styles(4000, 0)
        assert codes.mean().abs() < 0.05
        assert abs(codes.std() - 1) < 0.05

    def test_directions_differ(self, translator, picture):
        a, b = (translator.translate(picture(), to=to)[0] for to in ("a", "b"))
        assert a.tobytes() != b.tobytes()

    def test_the_style_of_examples(self, translator, picture):
        image, example, other = picture(), picture(50, 50, seed=1), picture(50, 50, seed=2)
        results = translator.translate(image, to="b", style=[example, other])
        assert len(results) == 2
        code = translator.style_of(example, "b")
        assert results[0].tobytes() == translator.translate(image, to="b", style=code)[0].tobytes()
        assert results[0].tobytes() == translator.translate(image, to="b", style=example)[0].tobytes()
        assert results[0].tobytes() != results[1].tobytes()

    def test_codes_as_tensor_array_and_list(self, translator, picture):
        code = [0.5, -1.0, 2.0]
        given_as = (code, [code], tuple(code), torch.tensor(code), np.array([code]), np.array(code, np.float32))
        results = [translator.translate(picture(), to="b", style=style) for style in given_as]
        assert [len(result) for result in results] == [1] * 6
        assert len({result[0].tobytes() for result in results}) == 1
        assert len(translator.translate(picture(), to="b", style=[code, [0.0, 0.0, 0.0]])) == 2

    def test_sizes(self, translator, picture):
        image = picture(60, 45)
        assert translator.translate(image, to="b", size=20)[0].size == (27, 20)
        assert translator.translate(image, to="b", size="original")[0].size == (60, 45)
        assert translator.translate(image, to="b", original_size=True)[0].size == (60, 45)

    def test_training_without_resizing_means_the_own_pixels(self, run_folder, picture):
        bundle = open_model(run_folder)
        data = replace(bundle.config.data, resize="none")
        unscaled = Translator(replace(bundle, config=replace(bundle.config, data=data)), device="cpu")
        assert unscaled.translate(picture(50, 41), to="b")[0].size == (50, 41)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"to": "c"}, "no such domain"),
            ({"to": "b", "num_styles": 0}, "num_styles=0"),
            ({"to": "b", "num_styles": 2, "style": [0.0, 0.0, 0.0]}, "both given"),
            ({"to": "b", "style": [0.0, 0.0]}, "shape (2,)"),
            ({"to": "b", "style": [float("nan"), 0.0, 0.0]}, "not finite"),
            ({"to": "b", "style": object()}, "neither a picture nor numbers"),
            ({"to": "b", "style": []}, "does not fit"),
            ({"to": "b", "style": "no such file.png"}, "no such file"),
            ({"to": "b", "size": 0}, "size 0"),
            ({"to": "b", "size": "huge"}, "size 'huge'"),
            ({"to": "b", "seed": -(2**70)}, "seed"),
        ],
    )
    def test_mistakes_are_explained(self, translator, picture, arguments, said):
        with pytest.raises(UserError) as error:
            translator.translate(picture(), **arguments)
        assert said in str(error.value)
        assert error.value.problems[0].hint

    @pytest.mark.parametrize(
        ("image", "said"),
        [
            (torch.zeros(3, 8, 8), "Tensor"),
            (np.zeros((8, 8, 3)), "float64"),
            (np.zeros((8, 8, 2), np.uint8), "(8, 8, 2)"),
            (np.zeros((0, 8, 3), np.uint8), "(0, 8, 3)"),
            (None, "NoneType"),
        ],
    )
    def test_what_is_no_picture(self, translator, image, said):
        with pytest.raises(UsageError) as error:
            translator.translate(image, to="b")
        assert said in str(error.value)

    def test_a_torn_file(self, translator, tmp_path):
        (tmp_path / "x.png").write_bytes(b"\x89PNG torn")
        with pytest.raises(UserError, match=r"x\.png: cannot be read"):
            translator.translate(tmp_path / "x.png", to="b")


class TestTensors:
    @settings(max_examples=30)
    @given(height=sides, width=sides)
    def test_any_height_and_width_comes_back(self, translator, height, width):
        x = torch.rand(2, 3, height, width) * 2 - 1
        y = translator.translate_tensor(x, to="b", seed=0)
        assert y.shape == x.shape
        assert y.abs().max() <= 1
        assert torch.isfinite(y).all()
        assert translator.encode_style(x, "a").shape == (2, 3)

    def test_step_by_step_is_the_same(self, translator):
        x = torch.rand(2, 3, 32, 40) * 2 - 1
        style = translator.draw_styles(2, 0)
        content = translator.encode_content(x, "a")
        assert torch.equal(translator.decode(content, style, "b"), translator.translate_tensor(x, to="b", style=style))

    def test_one_style_serves_all_pictures(self, translator):
        x = torch.rand(2, 3, 32, 32) * 2 - 1
        both = translator.translate_tensor(x, to="b", style=[0.1, 0.2, 0.3])
        each = translator.translate_tensor(x, to="b", style=torch.tensor([[0.1, 0.2, 0.3]] * 2))
        assert torch.equal(both, each)

    def test_without_a_style_one_is_drawn_for_each(self, translator):
        x = (torch.rand(1, 3, 32, 32) * 2 - 1).expand(2, -1, -1, -1)
        first, second = translator.translate_tensor(x, to="b")
        assert not torch.equal(first, second)
        assert not torch.equal(first, translator.translate_tensor(x, to="b")[0])
        seeded = translator.translate_tensor(x, to="b", seed=3)
        assert torch.equal(seeded, translator.translate_tensor(x, to="b", seed=3))

    def test_nothing_is_recorded_for_gradients(self, translator):
        y = translator.translate_tensor(torch.zeros(1, 3, 16, 16), to="b", seed=0)
        assert y.is_inference()

    @pytest.mark.parametrize(
        ("x", "said"),
        [
            (torch.zeros(3, 32, 32), "add x[None]"),
            (torch.zeros(1, 1, 32, 32), "(1, 1, 32, 32)"),
            (torch.zeros(0, 3, 32, 32), "(0, 3, 32, 32)"),
            (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "x.float() / 127.5 - 1"),
            (torch.full((1, 3, 32, 32), 255.0), "from 255 to 255"),
            (torch.full((1, 3, 32, 32), float("nan")), "outside [-1, 1]"),
            (np.zeros((1, 3, 32, 32)), "ndarray"),
        ],
    )
    def test_wrong_tensors(self, translator, x, said):
        for call in (
            lambda: translator.translate_tensor(x, to="b"),
            lambda: translator.encode_content(x, "a"),
            lambda: translator.encode_style(x, "a"),
        ):
            with pytest.raises(UsageError) as error:
                call()
            assert said in str(error.value)

    @pytest.mark.parametrize("size", [(30, 32), (32, 30), (4, 32)])
    def test_content_of_sizes_that_do_not_fit(self, translator, size):
        with pytest.raises(UsageError, match="multiples of 4, 8 or more"):
            translator.encode_content(torch.zeros(1, 3, *size), "a")

    def test_wrong_number_of_styles(self, translator):
        with pytest.raises(UsageError, match="3 styles for 2 pictures"):
            translator.translate_tensor(torch.zeros(2, 3, 16, 16), to="b", style=torch.zeros(3, 3))

    def test_values_that_rounding_put_just_outside(self, translator):
        result = translator.translate_tensor(torch.full((1, 3, 16, 16), 1.0001), to="b", seed=0)
        assert result.shape == (1, 3, 16, 16)


class OneAnswer:
    """Networks of a model without styles: the negative."""

    style_dim = None
    fixed_size = None
    has_attention = False
    size_multiple = 4

    def translate(self, x, to, style):
        assert style is None
        return -x


class TestModelsWithoutStyles:
    @pytest.fixture
    def negative(self, run_folder):
        translator = Translator(open_model(run_folder), device="cpu", max_pixels=40 * 40)
        translator.networks = OneAnswer()
        return translator

    def test_one_answer(self, negative, picture):
        image = picture(40, 32)
        (result,) = negative.translate(image, to="b")
        assert (pixels(result) == 255 - pixels(image)).all()
        x = torch.rand(2, 3, 50, 61) * 2 - 1
        assert torch.allclose(negative.translate_tensor(x, to="b"), -x, atol=1e-6)

    def test_styles_are_refused(self, negative, picture):
        for call in (
            lambda: negative.translate(picture(), to="b", style=[0.0, 0.0, 0.0]),
            lambda: negative.translate_tensor(torch.zeros(1, 3, 16, 16), to="b", style=[0.0, 0.0, 0.0]),
            lambda: negative.draw_styles(1, 0),
            lambda: negative.translate(picture(), to="b", num_styles=2),
        ):
            with pytest.raises(UsageError, match="one answer a picture"):
                call()


class TestAttention:
    @pytest.mark.parametrize("size", [(32, 40), (33, 38), (5, 9)])
    def test_a_map_of_a_quarter_of_the_size_in_0_to_1(self, attentive, size):
        heat = attentive.attention(torch.rand(2, 3, *size) * 2 - 1, to="b")
        assert heat.shape == (2, 1, -(-size[0] // 4), -(-size[1] // 4))
        assert heat.amin(dim=(1, 2, 3)).tolist() == [0.0, 0.0]
        assert heat.amax(dim=(1, 2, 3)).tolist() == [1.0, 1.0]

    def test_it_is_what_the_networks_say_stretched(self, attentive):
        x = torch.rand(1, 3, 32, 32) * 2 - 1
        raw = attentive.networks.attention(x, "a")
        expected = (raw - raw.min()) / (raw.max() - raw.min())
        assert torch.allclose(attentive.attention(x, to="a"), expected)

    def test_large_pictures_are_looked_at_reduced(self, attentive, monkeypatch):
        small = Translator(attentive.bundle, device="cpu", max_pixels=40 * 40)
        seen, inner = [], small.networks.attention
        monkeypatch.setattr(small.networks, "attention", lambda x, to: seen.append(x) or inner(x, to))
        heat = small.attention(torch.rand(1, 3, 80, 100) * 2 - 1, to="b")
        assert heat.shape == (1, 1, 20, 25)
        assert (heat.min(), heat.max()) == (0, 1)
        assert tuple(seen[0].shape[2:]) == (36, 44)  # 35x44 padded to multiples of 4

    def test_models_without_it(self, translator, without_attention):
        for model, name in ((translator, "munit"), (without_attention, "ugatit")):
            assert not model.has_attention
            with pytest.raises(UsageError, match=f"this {name} model has no attention"):
                model.attention(torch.zeros(1, 3, 32, 32), to="b")

    def test_there_are_no_codes(self, attentive, picture):
        x = torch.zeros(1, 3, 32, 32)
        for call in (
            lambda: attentive.encode_content(x, "a"),
            lambda: attentive.encode_style(x, "a"),
            lambda: attentive.decode(x, [0.0], "a"),
            lambda: attentive.style_of(picture(), "b"),
            lambda: list(attentive.variants(x, "b", torch.zeros(1, 3))),
            lambda: attentive.draw_styles(2, 0),
        ):
            with pytest.raises(UsageError, match="one answer a picture"):
                call()


class TestModelsOfOneSize:
    def test_pictures_are_stretched_to_it_and_back_on_request(self, of_one_size, picture):
        assert of_one_size.fixed_size == (32, 24)
        assert of_one_size.translate(picture(60, 20), to="b")[0].size == (24, 32)
        assert of_one_size.translate(picture(60, 20), to="b", original_size=True)[0].size == (60, 20)

    @pytest.mark.parametrize("size", [32, "original", 48])
    def test_other_working_sizes_are_refused(self, of_one_size, picture, size):
        with pytest.raises(UsageError, match="tied to the size it was trained at, 32x24 px"):
            of_one_size.translate(picture(), to="b", size=size)
        assert of_one_size.translate(picture(), to="b", size=24)[0].size == (24, 32)

    @pytest.mark.parametrize("size", [(32, 32), (24, 32), (64, 48)])
    def test_other_tensors_are_refused(self, of_one_size, size):
        for call in (of_one_size.translate_tensor, of_one_size.attention):
            with pytest.raises(UsageError, match=f"pictures of {size[0]}x{size[1]}"):
                call(torch.zeros(1, 3, *size), to="b")

    def test_they_are_never_cut_into_tiles(self, of_one_size):
        small = Translator(of_one_size.bundle, device="cpu", max_pixels=100)
        x = torch.rand(2, 3, 32, 24)
        assert torch.equal(small.translate_tensor(x, to="b"), of_one_size.translate_tensor(x, to="b"))
        assert torch.equal(small.attention(x, to="b"), of_one_size.attention(x, to="b"))


class TestDevices:
    def test_unknown_and_missing_ones(self, run_folder):
        bundle = open_model(run_folder)
        with pytest.raises(UsageError, match="no such kind"):
            Translator(bundle, device="gpu")
        for kind, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
            if not there:
                with pytest.raises(UsageError, match="has none"):
                    Translator(bundle, device=kind)

    def test_auto_finds_one(self, run_folder):
        assert Translator(open_model(run_folder), device="auto").device.type in ("cpu", "cuda", "mps")


class TestPrecision:
    @pytest.fixture
    def pair(self):
        """The model that comes with the package, in both precisions: a trained one, whose pictures mean something."""
        return [load("demo", device="cpu", precision=precision) for precision in ("fp32", "bf16")]

    @pytest.mark.parametrize("max_pixels", [10**6, 48 * 48], ids=["whole", "tiles"])
    def test_sixteen_bits_give_nearly_the_same_picture(self, pair, max_pixels):
        x = torch.stack([to_tensor(read_picture(path, (255, 255, 255))) for path in drawings()[:2]])
        x = torch.nn.functional.interpolate(x, size=(64, 64), mode="area")
        codes = pair[0].draw_styles(2, seed=0)
        for translator in pair:
            translator.max_pixels = max_pixels
        exact, rounded = (torch.cat(list(translator.variants(x, "b", codes))) for translator in pair)
        assert rounded.dtype == torch.float32
        differences = (exact - rounded).abs() * 127.5  # grey levels
        assert 0 < differences.mean() < 2
        assert differences.quantile(0.99) < 15

    def test_styles_and_what_comes_out_step_by_step_are_float32(self, pair):
        x = torch.rand(1, 3, 32, 32) * 2 - 1
        styles = [translator.encode_style(x, "b") for translator in pair]
        assert torch.equal(*styles)
        contents = [translator.encode_content(x, "a") for translator in pair]
        assert contents[1].dtype == torch.float32
        assert not torch.equal(*contents)
        assert pair[1].decode(contents[1], styles[1], "b").dtype == torch.float32

    def test_attention_is_float32(self, attentive):
        rounded = Translator(attentive.bundle, device="cpu", precision="bf16")
        assert rounded.attention(torch.rand(1, 3, 32, 32) * 2 - 1, to="b").dtype == torch.float32

    def test_auto_is_exact_on_a_cpu(self):
        assert load("demo", device="cpu").precision == "fp32"

    def test_unknown_ones_are_refused(self):
        with pytest.raises(UsageError, match="--precision fp16: there is no such kind"):
            load("demo", device="cpu", precision="fp16")


class TestEveryKindOfNetwork:
    """Padding, tiles and statistics hold for all that can be configured."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"num_downsamples": 1},
            {"num_downsamples": 3},
            {"padding": "zero", "activation": "prelu"},
            {"padding": "replicate", "content_norm": "none", "upsample_norm": "none"},
            {"content_norm": "spectral", "upsample_norm": "spectral"},
            {"content_norm": "batch", "upsample_norm": "batch"},
            {"content_norm": "group", "upsample_norm": "group"},
            {"content_norm": "layer", "upsample_norm": "instance", "style_norm": "instance"},
        ],
    )
    def test_any_size_whole_and_in_tiles(self, changes):
        generator = GeneratorConfig(dim=8, mlp_dim=8, style_dim=3, num_res_blocks=1, **changes)
        model = MunitConfig(generator=generator)
        weights = MunitGenerators(model).state_dict()
        facts = BundleConfig(
            format=1,
            model=model,
            data=PicturesConfig(size=(32, 32), resize="cover", background=(0, 0, 0)),
            weights="raw",
            domains=DomainNames(a="a", b="b"),
            source="test",
            versions={},
        )
        for size, max_pixels in (((1, 1), 10**6), ((37, 51), 10**6), ((90, 81), 64 * 64)):
            translator = Translator(Bundle(facts, weights), device="cpu", max_pixels=max_pixels)
            x = torch.rand(1, 3, *size) * 2 - 1
            y = translator.translate_tensor(x, to="a", seed=0)
            assert y.shape == x.shape
            assert torch.isfinite(y).all()
            assert torch.isfinite(translator.encode_style(x, "a")).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_styles_decoded_at_once_are_those_decoded_one_by_one(precision):
    translator = load("demo", device="cpu", precision=precision)
    x, codes = torch.rand(1, 3, 64, 64) * 2 - 1, translator.draw_styles(5, seed=0)
    together = list(translator.variants(x, "b", codes))
    alone = [next(translator.variants(x, "b", code[None])) for code in codes]
    for ours, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5 if precision == "fp32" else 0.05, rtol=0)
