from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unpaired import tensorfile
from unpaired.data.images import to_image, to_tensor
from unpaired.errors import UserError
from unpaired.inference import jobs
from unpaired.inference.bundle import Bundle, write_bundle
from unpaired.inference.facts import FORMAT, BundleConfig, DomainNames, PicturesConfig
from unpaired.inference.records import read_record
from unpaired.inference.translator import Translator, load
from unpaired.layers.heat_maps import overlaid
from unpaired.models.ugatit.config import DiscriminatorConfig, GeneratorConfig, UgatitConfig
from unpaired.models.ugatit.method import Ugatit

NAME = "cat-to-b-style{:02d}-seed{}.png"


@pytest.fixture
def cat(trained_run, draw):
    return draw("cat.png")


@pytest.fixture
def cats(trained_run, draw):
    for index, size in enumerate([(40, 32), (40, 32), (33, 50), (40, 32)]):
        draw(f"cats/{index}.png", seed=index, size=size)
    return Path("cats")


@pytest.fixture
def translate(trained_run, unpaired):
    def call(*arguments):
        return unpaired("translate", trained_run, *arguments, "--device", "cpu")

    return call


def done(called):
    assert called.code == 0, called.err
    return called


def results(folder="translations"):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def pixels(path):
    with Image.open(path) as image:
        return image.tobytes()


def code_of(path):
    return read_record(Path(path)).style


class TestResults:
    def test_it_is_what_the_python_api_gives(self, translate, cat, trained_run):
        called = done(translate(cat, "--to", "b", "--styles", 3, "--seed", 5))
        assert results() == [NAME.format(index, 5) for index in range(3)]
        expected = load(trained_run, device="cpu").translate(cat, to="b", num_styles=3, seed=5)
        assert [pixels(Path("translations", name)) for name in results()] == [image.tobytes() for image in expected]
        assert called.out == "Wrote 3 pictures (1 input x 3 styles) to translations\n"

    def test_the_precision_is_used_and_written_down(self, translate, cat, trained_run):
        done(translate(cat, "--to", "b", "--precision", "bf16"))
        path = Path("translations", NAME.format(0, 0))
        assert read_record(path).precision == "bf16"
        rounded = load(trained_run, device="cpu", precision="bf16").translate(cat, to="b")
        assert pixels(path) == rounded[0].tobytes()

    def test_folders_and_files(self, translate, draw, trained_run):
        draw("cats/one.png"), draw("cats/deep/one.jpg"), draw("one.png")
        done(translate("cats", "one.png", "--to", "a", "--out", "out"))
        ending = "-to-a-style00-seed0.png"
        assert results("out") == sorted([f"deep/one{ending}", f"one_png{ending}", f"one_png_2{ending}"])

    def test_working_and_result_sizes(self, translate, draw, trained_run):
        draw("wide.png", size=(81, 45))
        for out, flags, size in (
            ("default", [], (58, 32)),
            ("small", ["--size", 20], (36, 20)),
            ("own", ["--size", "original"], (81, 45)),
            ("scaled", ["--original-size"], (81, 45)),
        ):
            done(translate("wide.png", "--to", "b", "--out", out, *flags))
            (name,) = results(out)
            with Image.open(Path(out, name)) as image:
                assert image.size == size
        assert pixels("own/wide-to-b-style00-seed0.png") != pixels("scaled/wide-to-b-style00-seed0.png")

    def test_batches_change_rounding_at_most(self, translate, cats):
        for batch in (1, 3):
            done(translate(cats, "--to", "b", "--styles", 2, "--batch", batch, "--out", f"by{batch}"))
        assert results("by1") == results("by3")
        assert len(results("by1")) == 8
        for name in results("by1"):
            one, three = (np.asarray(Image.open(Path(f"by{batch}", name))).astype(int) for batch in (1, 3))
            assert abs(one - three).max() <= 1

    def test_the_raw_weights(self, translate, cat):
        done(translate(cat, "--to", "b", "--out", "averaged"))
        done(translate(cat, "--to", "b", "--raw", "--out", "raw"))
        name = NAME.format(0, 0)
        assert pixels(f"averaged/{name}") != pixels(f"raw/{name}")
        assert read_record(Path("raw", name)).weights == "raw"

    def test_large_pictures_go_through_tiles(self, translate, cat, monkeypatch):
        original = Translator.__init__
        monkeypatch.setattr(
            Translator, "__init__", lambda self, bundle, **kw: original(self, bundle, **kw, max_pixels=32**2)
        )
        done(translate(cat, "--to", "b", "--styles", 2, "--size", 70))
        assert len(results()) == 2


class TestStyles:
    def test_all_inputs_share_random_styles(self, translate, cats):
        done(translate(cats, "--to", "b", "--styles", 2))
        codes = {name: code_of(Path("translations", name)) for name in results()}
        assert len(codes) == 8
        assert len(set(codes.values())) == 2

    def test_fresh_styles_depend_on_the_seed_and_the_picture_alone(self, translate, cats, draw):
        done(translate(cats, "--to", "b", "--styles", 2, "--fresh-styles", "--out", "all"))
        codes = {name: code_of(Path("all", name)) for name in results("all")}
        assert len(set(codes.values())) == 8
        done(translate(cats / "1.png", "--to", "b", "--styles", 1, "--fresh-styles", "--out", "one"))
        (name,) = results("one")
        assert code_of(Path("one", name)) == codes[name]
        done(translate(cats / "1.png", "--to", "b", "--fresh-styles", "--seed", 1, "--out", "other"))
        assert code_of(Path("other", results("other")[0])) != codes[name]

    def test_examples(self, translate, cat, draw, trained_run):
        draw("dog 1.jpg", seed=1), draw("dog2.png", seed=2)
        done(translate(cat, "--to", "b", "--style", "dog 1.jpg", "dog2.png"))
        assert results() == ["cat-to-b-style00-like_dog_1.png", "cat-to-b-style01-like_dog2.png"]
        translator = load(trained_run, device="cpu")
        for name, example in zip(results(), ("dog 1.jpg", "dog2.png"), strict=True):
            assert code_of(Path("translations", name)) == tuple(translator.style_of(example, "b")[0].tolist())

    def test_saved_styles_give_the_same_pictures(self, translate, cats):
        done(
            translate(cats, "--to", "b", "--styles", 2, "--seed", 9, "--save-styles", "my/styles.json", "--out", "one")
        )
        called = done(translate(cats, "--to", "b", "--style-code", "my/styles.json", "--out", "two"))
        assert "note" not in called.out
        assert [pixels(Path("one", name)) for name in results("one")] == [
            pixels(Path("two", name)) for name in results("two")
        ]

    def test_styles_of_other_weights_are_noted(self, translate, cat):
        done(translate(cat, "--to", "b", "--save-styles", "styles.json"))
        called = done(translate(cat, "--to", "b", "--style-code", "styles.json", "--raw", "--out", "two"))
        assert "styles.json were made for other weights" in called.out


class TestRecords:
    """From what a result says about itself it can be made again, pixel for pixel."""

    @pytest.mark.parametrize("flags", [[], ["--size", "27"], ["--size", "original"], ["--original-size"]])
    @pytest.mark.parametrize("styles", [["--styles", "2", "--seed", "3"], ["--style", "dog.png"], ["--fresh-styles"]])
    def test_made_again(self, translate, cats, draw, flags, styles):
        draw("dog.png", seed=8)
        done(translate(cats, "--to", "b", *styles, *flags))
        for number, name in enumerate(results()):
            record = read_record(Path("translations", name))
            size = ["--size", min(record.working_size)]
            scaled = ["--original-size"] if record.size != record.working_size else []
            source = cats / record.source
            out = f"again{number}"
            done(
                translate(
                    source, "--to", record.to, "--style-code", f"translations/{name}", *size, *scaled, "--out", out
                )
            )
            (again,) = results(out)
            assert pixels(Path(out, again)) == pixels(Path("translations", name))

    def test_what_it_says(self, translate, cat, trained_run):
        done(translate(cat, "--to", "b", "--styles", 2, "--seed", 4))
        record = read_record(Path("translations", NAME.format(1, 4)))
        translator = load(trained_run, device="cpu")
        assert record.model == str(trained_run)
        assert record.weights_sha256 == translator.bundle.fingerprint
        assert (record.weights, record.step, record.to) == ("ema", 7, "b")
        assert (record.seed, record.style_index, record.style_from) == (4, 1, "seed 4")
        assert record.style == tuple(translator.draw_styles(2, 4)[1].tolist())
        assert (record.source, record.working_size, record.size) == ("cat.png", (32, 40), (32, 40))

    def test_others_can_read_it(self, translate, cat):
        done(translate(cat, "--to", "b"))
        with Image.open(Path("translations", NAME.format(0, 0))) as image:
            assert json.loads(image.text["unpaired"])["to"] == "b"


class TestMistakes:
    def refused(self, called):
        """What is said by a call that has written nothing."""
        assert called.code == 2
        assert not Path("translations").exists()
        return called.err

    def test_all_problems_of_a_call_together(self, unpaired, cat, draw):
        draw("clip/x.png")
        Path("torn.png").write_bytes(b"torn")
        Path("codes.json").write_text("{}", encoding="utf-8")
        called = unpaired(
            "translate", "runs", "none.png", "torn.png", "--to", "c", "--styles", "many", "--style-code", "codes.json",
            "--save-styles", "clip", "--seed", "-1", "--size", "0", "--batch", "1.5", "--device", "tpu",
            "--precision", "fp8", "--fresh-styles",
        )  # fmt: skip
        message = self.refused(called)
        assert "--styles many" in message
        assert "--seed -1" in message
        assert "--size 0" in message
        assert "--batch 1.5" in message
        assert "--styles and --style-code" in message
        assert "--fresh-styles does" in message
        assert "--save-styles does" in message
        assert "none.png" in message
        assert "torn.png" in message
        assert "--save-styles clip" in message
        assert "--device tpu" in message
        assert "--precision fp8" in message
        assert "runs: is neither" in message
        assert "--to c" in message
        assert "codes.json: holds no styles" in message
        assert called.num_errors == 15

    def test_nothing_to_translate(self, translate):
        assert "No pictures to translate" in self.refused(translate("--to", "b"))

    def test_no_direction(self, translate, cat):
        assert "--to" in self.refused(translate(cat))

    def test_an_unknown_direction_names_the_domains(self, translate, cat):
        message = self.refused(translate(cat, "--to", "dogs"))
        assert "--to dogs" in message
        assert "a (cats) or b (dogs)" in message

    @pytest.mark.parametrize("flag", ["--styles", "--seed", "--batch", "--size"])
    @pytest.mark.parametrize("text", ["x", "1.0", "1e2", "-1", "", "²", "9" * 40])
    def test_numbers(self, translate, cat, flag, text):
        called = translate(cat, "--to", "b", f"{flag}={text}")
        assert f"{flag} {text}" in self.refused(called)
        assert called.num_errors == 1

    def test_an_unreadable_example(self, translate, cat, draw):
        draw("dog.png")
        Path("torn.png").write_bytes(b"torn")
        called = translate(cat, "--to", "b", "--style", "dog.png", "torn.png", "none.png")
        message = self.refused(called)
        assert "--style torn.png" in message
        assert "--style none.png" in message
        assert called.num_errors == 2

    def test_codes_of_the_other_domain_and_of_another_model(self, translate, cat):
        done(translate(cat, "--to", "a", "--save-styles", "styles.json", "--out", "a"))
        message = self.refused(translate(cat, "--to", "b", "--style-code", "styles.json"))
        assert "styles of domain a" in message
        assert "--to a" in message
        saved = json.loads(Path("styles.json").read_text(encoding="utf-8"))
        saved["styles"][0]["code"] += [0.0]
        Path("styles.json").write_text(json.dumps(saved), encoding="utf-8")
        message = self.refused(translate(cat, "--to", "a", "--style-code", "styles.json"))
        assert "codes of 4 numbers" in message
        assert "have 3" in message

    def test_results_are_not_written_over(self, translate, cat):
        done(translate(cat, "--to", "b", "--styles", 5))
        before = pixels(Path("translations", NAME.format(0, 0)))
        called = translate(cat, "--to", "b", "--styles", 5, "--raw")
        assert called.code == 2
        assert "and 2 more: exists already" in called.err
        assert pixels(Path("translations", NAME.format(0, 0))) == before
        done(translate(cat, "--to", "b", "--styles", 5, "--raw", "--overwrite"))
        assert pixels(Path("translations", NAME.format(0, 0))) != before

    def test_an_input_is_never_written_over(self, translate, draw, trained_run):
        draw("x.png"), draw("x-to-b-style00-seed0.png")
        called = translate("x.png", "x-to-b-style00-seed0.png", "--to", "b", "--out", ".", "--overwrite")
        assert called.code == 2
        assert "is an input" in called.err

    def test_the_output_is_a_file(self, translate, cat):
        called = translate(cat, "--to", "b", "--out", "cat.png")
        assert called.code == 2
        assert "--out cat.png: is a file" in called.err
        assert "cannot write" in translate(cat, "--to", "b", "--out", "cat.png/deep").err

    def test_a_picture_too_elongated(self, translate, draw, trained_run, monkeypatch):
        monkeypatch.setattr("unpaired.data.images.MAX_PIXELS", 5000)
        draw("line.png", size=(200, 2))
        assert "too elongated (2x200" in self.refused(translate("line.png", "--to", "b"))


class TestModelsWithoutStyles:
    @pytest.fixture(autouse=True)
    def one_answer(self, monkeypatch):
        class Negative:
            style_dim = None
            fixed_size = None
            has_attention = False
            size_multiple = 4

            def translate(self, x, to, style):
                return -x

        original = Translator.__init__

        def init(self, *arguments, **named):
            original(self, *arguments, **named)
            self.networks = Negative()

        monkeypatch.setattr(Translator, "__init__", init)

    def test_one_result(self, translate, cat):
        done(translate(cat, "--to", "b"))
        assert results() == ["cat-to-b.png"]
        assert code_of("translations/cat-to-b.png") is None

    def test_flags_about_styles(self, translate, cat, draw):
        draw("dog.png")
        called = translate(cat, "--to", "b", "--style", "dog.png", "--save-styles", "styles.json")
        assert called.code == 2
        assert called.num_errors == 2
        assert "--style: this model has one answer" in called.err


class TestUgatit:
    """Its pictures of attention, and the full model's one size."""

    @pytest.fixture
    def call(self, unpaired, draw, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        draw("cats/wide.png", size=(60, 36)), draw("cats/deep/small.png", size=(40, 32))

        def call(*arguments, **generator):
            bundle = Path("full" if "size" in generator else "light")
            if not bundle.exists():
                write_bundle(drawn_ugatit(**generator), bundle)
            return unpaired("translate", bundle, "cats", "--to", "b", "--device", "cpu", *arguments)

        return call

    def test_attention_lies_beside_the_results(self, call):
        called = done(call("--attention", "--original-size"))
        assert "Wrote 2 pictures (2 inputs) to translations" in called.out
        assert "where the model looks" in called.out
        assert results() == [
            "deep/small-to-b-attention.png", "deep/small-to-b.png", "wide-to-b-attention.png", "wide-to-b.png"
        ]  # fmt: skip
        with Image.open("translations/wide-to-b-attention.png") as image:
            assert image.size == (60, 36)
        translator = load("light", device="cpu")
        x = to_tensor(Image.open("cats/deep/small.png").convert("RGB"))[None]
        expected = to_image(overlaid(x, translator.attention(x, to="b"))[0])
        assert pixels("translations/deep/small-to-b-attention.png") == expected.tobytes()

    def test_pictures_of_attention_are_not_written_over(self, call):
        Path("translations").mkdir()
        Path("translations/wide-to-b-attention.png").write_bytes(b"mine")
        assert "wide-to-b-attention.png: exists already" in call("--attention").err
        done(call())

    def test_models_without_attention(self, call, translate, cat):
        called = translate(cat, "--to", "b", "--attention")
        assert called.code == 2
        assert "--attention: this munit model has no attention" in called.err
        assert "--attention: this ugatit model has no attention" in call("--attention", cam=False).err

    def test_the_full_model_works_at_its_own_size(self, call):
        called = done(call(light=False, size=(32, 32)))
        assert "note: this model knows 32x32 px alone" in called.out
        with Image.open("translations/wide-to-b.png") as image:
            assert image.size == (32, 32)
        called = done(call("--original-size", "--out", "scaled", "--attention", light=False, size=(32, 32)))
        assert "note" not in called.out
        for name in ("wide-to-b.png", "wide-to-b-attention.png"):
            with Image.open(Path("scaled", name)) as image:
                assert image.size == (60, 36)

    @pytest.mark.parametrize("size", ["48", "original"])
    def test_the_full_model_at_another_size(self, call, size):
        called = call("--size", size, light=False, size=(32, 32))
        assert called.code == 2
        assert called.num_errors == 1
        assert f"--size {size}: this model is tied to the size it was trained at, 32x32 px" in called.err
        done(call("--size", "32", light=False, size=(32, 32)))


def drawn_ugatit(**generator) -> Bundle:
    """A tiny U-GAT-IT with drawn weights; `generator` are changes of its config."""
    model = UgatitConfig(
        generator=GeneratorConfig(**{"light": True, "dim": 4, "num_res_blocks": 1, **generator}),
        discriminator=DiscriminatorConfig(dim=4, num_layers_global=3, num_layers_local=3),
    )
    method = Ugatit(model)
    method.initialize(torch.Generator().manual_seed(0))
    facts = BundleConfig(
        format=FORMAT,
        model=model,
        data=PicturesConfig(size=(32, 32), resize="stretch", background=(255, 255, 255)),
        weights="raw",
        domains=DomainNames(a="selfies", b="cartoons"),
        source="drawn",
        versions={},
    )
    return Bundle(facts, method.generators.state_dict())


class TestFailures:
    """What goes wrong half-way: said in a line, exit code 1, and what was written before stays."""

    def test_a_full_disk(self, translate, cats, monkeypatch):
        original, written = tensorfile.replace_file, []

        def replace_file(path, write_to, num_bytes):
            if len(written) == 2:
                raise UserError(f"{path}: no space left", "Free space.")
            written.append(path)
            original(path, write_to, num_bytes)

        monkeypatch.setattr(tensorfile, "replace_file", replace_file)
        monkeypatch.setattr(jobs, "num_cpus", lambda: 1)
        called = translate(cats, "--to", "b", "--styles", 3)
        assert called.code == 1
        assert called.num_errors == 1
        assert "no space left" in called.err
        assert len(results()) == 2

    def test_a_picture_that_goes_bad_meanwhile(self, translate, cats, monkeypatch):
        original = jobs.run_jobs

        def spoiled(*arguments, **named):
            (cats / "3.png").write_bytes(b"torn")
            original(*arguments, **named)

        monkeypatch.setattr(jobs, "run_jobs", spoiled)
        called = translate(cats, "--to", "b")
        assert called.code == 1
        assert "3.png" in called.err
        assert "whole at the start" in called.err

    @pytest.mark.parametrize(
        "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"),
                  RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")],
    )  # fmt: skip
    def test_out_of_memory(self, translate, cat, monkeypatch, error):
        def variants(*_):
            raise error

        monkeypatch.setattr(Translator, "variants", variants)
        called = translate(cat, "--to", "b")
        assert called.code == 1
        assert "Out of memory" in called.err
        assert "--size" in called.err

    def test_our_own_bugs_are_not_hidden(self, translate, cat, monkeypatch):
        def variants(*_):
            raise RuntimeError("a shape is wrong")

        monkeypatch.setattr(Translator, "variants", variants)
        with pytest.raises(RuntimeError, match="a shape is wrong"):
            translate(cat, "--to", "b")
