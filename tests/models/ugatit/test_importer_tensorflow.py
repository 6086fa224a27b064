"""Parity with the original TensorFlow code of U-GAT-IT, and what is said of checkpoints that are not its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow_writer as writer
import torch
from torch import Tensor

from unpaired.errors import UserError
from unpaired.models.base import ImportedModel
from unpaired.models.ugatit.config import GeneratorConfig, UgatitConfig
from unpaired.models.ugatit.discriminators import UgatitDiscriminators
from unpaired.models.ugatit.importer import import_checkpoint
from unpaired.models.ugatit.importer_tensorflow import import_tensorflow_checkpoint
from unpaired.models.ugatit.networks import Generator, UgatitGenerators
from unpaired.tensorflow_files.checkpoint import find_prefix, read_checkpoint

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = ("light", "full", "early")
SETTINGS = "lsgan_4resblock_4dis_1_1_10_10_1000"
Arrays = dict[str, np.ndarray]


def folder_of(case: str) -> Path:
    (folder,) = (path for path in (GOLDEN / "ugatit_tensorflow" / case).iterdir() if path.is_dir())
    return folder


@cache
def imported(case: str) -> ImportedModel:
    return import_tensorflow_checkpoint(folder_of(case))


@cache
def computed(case: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What our networks make of the golden pictures, and what TensorFlow made of them."""
    expected = {
        name: torch.from_numpy(array)
        for name, array in np.load(GOLDEN / "ugatit_tensorflow" / case / "expected.npz").items()
    }
    model = imported(case)
    generators, discriminators = UgatitGenerators(model.config).eval(), UgatitDiscriminators(model.config).eval()
    generators.load_state_dict(model.generators)
    assert model.discriminators is not None
    discriminators.load_state_dict(model.discriminators)
    with torch.no_grad():
        found = discriminators({"a": expected["x_a"], "b": expected["x_b"]})
        found["x_ab"], found["cam_ab"] = generators.to_b(expected["x_a"])
        found["x_ba"], found["cam_ba"] = generators.to_a(expected["x_b"])
        found["heat_ab"] = generators.attention(expected["x_a"], "b")
        found["heat_ba"] = generators.attention(expected["x_b"], "a")
    return found, expected


@pytest.fixture
def rewritten(tmp_path: Path) -> Callable[..., Path]:
    """Writes a golden checkpoint again, with other variables and in a folder of another name."""

    def write(
        change: Callable[[Arrays], object], *, case: str = "light", folder: str = f"UGATIT_x_{SETTINGS}_sn"
    ) -> Path:
        arrays = read_checkpoint(find_prefix(folder_of(case)), lambda name: "Adam" not in name)
        change(arrays)
        writer.write_checkpoint(tmp_path / folder / "UGATIT.model-7", arrays)
        return tmp_path / folder

    return write


class TestParity:
    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("name", ["x_ab", "x_ba"])
    def test_pictures(self, case: str, name: str) -> None:
        found, expected = computed(case)
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=5e-5)

    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("name", ["heat_ab", "heat_ba"])
    def test_heat_maps(self, case: str, name: str) -> None:
        found, expected = computed(case)  # TensorFlow's have neither channels nor, with one picture, a batch
        torch.testing.assert_close(found[name], expected[name].reshape(found[name].shape), rtol=1e-5, atol=2e-5)

    @pytest.mark.parametrize("case", ["light", "full"])
    @pytest.mark.parametrize("name", ["cam_ab", "cam_ba"])
    def test_attention_logits(self, case: str, name: str) -> None:
        found, expected = computed(case)
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("domain", ["a", "b"])
    @pytest.mark.parametrize("kind", ["global", "local", "global_cam", "local_cam"])
    def test_discriminators(self, case: str, domain: str, kind: str) -> None:
        found, expected = computed(case)
        torch.testing.assert_close(found[f"{kind}_{domain}"], expected[f"{kind}_{domain}"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("light", "number"), [(False, 278_970_308), (True, 10_600_388)])
def test_numbers_of_weights_at_the_original_size(light: bool, number: int) -> None:
    config = UgatitConfig(
        generator=GeneratorConfig(light=light, size=None if light else (256, 256)), layers="tensorflow"
    )
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in Generator(config).parameters()) == number


class TestSettings:
    def test_sizes(self) -> None:
        light, full = imported("light").config, imported("full").config
        assert (light.generator.light, light.generator.size) == (True, None)
        assert (full.generator.light, full.generator.size) == (False, (32, 32))
        for model in (light, full):
            assert (model.layers, model.variance, model.initialization) == ("tensorflow", "biased", "gaussian")
            assert (model.generator.dim, model.generator.num_res_blocks) == (2, 4)
            sizes = model.discriminator
            assert (sizes.dim, sizes.num_layers_global, sizes.num_layers_local) == (2, 5, 3)
        assert imported("full").data.size == (32, 32)
        assert (imported("full").data.resize, imported("full").data.margin) == ("stretch", 15)
        assert (imported("light").data.size, imported("light").data.margin) == ((256, 256), 30)

    def test_what_the_name_of_the_folder_tells(self) -> None:
        light, full, early = (imported(case).config for case in CASES)
        assert [model.adversarial for model in (light, full, early)] == ["lsgan", "nsgan", "hinge"]
        assert [model.generator.rho_max for model in (light, full, early)] == [0.9, 1.0, 0.9]
        assert [model.discriminator.cam_weight for model in (light, full, early)] == ["normalized", "normalized", "raw"]
        weights = full.weights
        assert (weights.adversarial, weights.cycle, weights.identity, weights.cam) == (2, 5, 7, 500)

    def test_a_folder_of_another_name(self, rewritten: Callable[..., Path]) -> None:
        model = import_tensorflow_checkpoint(rewritten(lambda _: None, folder="renamed"))
        assert (model.config.adversarial, model.config.generator.rho_max) == ("lsgan", 0.9)
        assert "the original's defaults were assumed" in model.notes[0]

    def test_a_loss_that_is_not_offered(self, rewritten: Callable[..., Path]) -> None:
        folder = f"UGATIT_my_set_{SETTINGS.replace('lsgan', 'wgan-gp')}_sn"
        model = import_tensorflow_checkpoint(rewritten(lambda _: None, folder=folder))
        assert model.config.adversarial == "lsgan"
        assert "trained with wgan-gp" in model.notes[0]

    def test_smoothing(self, rewritten: Callable[..., Path]) -> None:
        """With it, ρ of AdaLIN is used less 0.1; that of LIN, in the last layers, is not changed."""
        stored = read_checkpoint(find_prefix(folder_of("light")), lambda name: name.endswith("/rho"))
        off = import_tensorflow_checkpoint(rewritten(lambda _: None))
        for model, less in ((imported("light"), 0.1), (off, 0.0)):
            rho = model.generators["to_b.decoder.res_blocks.2.norm1.rho"].numpy()
            expected = stored["generator_B/adaptive_resblock2/res1/instance_layer_norm/rho"] - less
            np.testing.assert_allclose(rho, expected.clip(0, 1), atol=1e-7)
            lin = model.generators["to_a.decoder.up_norms.1.rho"].numpy()
            np.testing.assert_array_equal(lin, stored["generator_A/layer_ins_norm_1/rho"])
        assert any("0.1 less" in note for note in imported("light").notes)
        assert not any("0.1 less" in note for note in off.notes)

    def test_an_early_version_that_smoothed_already(self, rewritten: Callable[..., Path]) -> None:
        """Between two of its corrections the original stored ρ up to 1 beside the early attention layer."""

        def raise_rho(arrays: Arrays) -> None:
            arrays |= {name: array + 0.1 for name, array in arrays.items() if name.endswith("instance_layer_norm/rho")}

        folder = rewritten(raise_rho, case="early", folder=f"UGATIT_x_{SETTINGS}_sn_smoothing")
        rho = import_tensorflow_checkpoint(folder).generators["to_b.decoder.res_blocks.2.norm1.rho"]
        torch.testing.assert_close(rho, imported("early").generators["to_b.decoder.res_blocks.2.norm1.rho"])

    def test_discriminators_without_spectral_norm_are_left_out(self, rewritten: Callable[..., Path]) -> None:
        def without(arrays: Arrays) -> None:
            for name in [name for name in arrays if name.startswith("discriminator") and name.endswith("/u")]:
                del arrays[name]

        model = import_tensorflow_checkpoint(rewritten(without))
        assert model.discriminators is None
        assert any("they are left out" in note for note in model.notes)

    @pytest.mark.parametrize(
        "name", ["", "UGATIT.model-12", "UGATIT.model-12.index", "UGATIT.model-12.data-00000-of-00001"]
    )
    def test_every_way_to_name_it(self, name: str) -> None:
        model = import_checkpoint(folder_of("full") / name, config=None, discriminators=None)
        assert model.config == imported("full").config


class TestOtherFiles:
    @pytest.mark.parametrize("source", ["facenet_like", "plain"])
    def test_a_checkpoint_of_another_network(self, source: str, tmp_path: Path) -> None:
        folder = GOLDEN / "tensorflow_files" / "plain" if source == "plain" else tmp_path
        if source == "facenet_like":
            writer.write_checkpoint(tmp_path / "model-1", {"InceptionResnetV1/w": np.zeros(2, np.float32)})
        with pytest.raises(UserError, match="is not a checkpoint of U-GAT-IT: no variable starts with generator_A/"):
            import_tensorflow_checkpoint(folder)

    def test_translators_of_different_sizes(self, rewritten: Callable[..., Path]) -> None:
        def widen(arrays: Arrays) -> None:
            arrays["generator_B/conv/conv2d/kernel"] = np.zeros((7, 7, 3, 4), np.float32)

        with pytest.raises(UserError, match=r"generator_B/conv/conv2d/kernel is 7x7x3x4, expected 7x7x3x2"):
            import_tensorflow_checkpoint(rewritten(widen))

    @pytest.mark.parametrize(
        ("name", "array", "reason"),
        [
            ("generator_A/conv/conv2d/kernel", None, "is missing or no weight of 4 dimensions"),
            (
                "generator_A/MLP/linear_0/dense/kernel",
                np.zeros((24, 8), np.float32),
                "24x8, which fits no picture size",
            ),
            ("generator_A/MLP/gamma/dense/bias", None, "generator_A/MLP/gamma/dense/bias is missing"),
            ("discriminator_A/global/conv_0/kernel", None, "is missing or no weight of 4 dimensions"),
            ("discriminator_B/local/conv_last/u", np.zeros((1, 3), np.float32), "u is 1x3, expected 1x4"),
            ("generator_A/resblock_9/x", np.zeros(1, np.float32), "resblock_9/x is not known"),
        ],
    )
    def test_variables_that_do_not_fit(
        self, rewritten: Callable[..., Path], name: str, array: np.ndarray | None, reason: str
    ) -> None:
        def change(arrays: Arrays) -> None:
            arrays.pop(name, None)
            if array is not None:
                arrays[name] = array

        with pytest.raises(UserError, match=reason) as caught:
            import_tensorflow_checkpoint(rewritten(change))
        assert "UGATIT.model-7: its variables do not make U-GAT-IT's networks" in str(caught.value)

    def test_a_missing_or_torn_data_file(self, tmp_path: Path) -> None:
        folder = shutil.copytree(folder_of("light"), tmp_path / "copy")
        (data,) = folder.glob("*.data-*")
        data.write_bytes(data.read_bytes()[:9000])
        with pytest.raises(UserError, match=r"data-00000-of-00001: is torn"):
            import_tensorflow_checkpoint(folder)
        data.unlink()
        with pytest.raises(UserError, match=r"data-00000-of-00001: there is no such file"):
            import_tensorflow_checkpoint(folder)
