from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unpaired.errors import UserError
from unpaired.models.ugatit.importer import import_checkpoint
from unpaired.models.ugatit.method import Ugatit

GOLDEN = Path(__file__).parents[2] / "golden"
LIGHT = GOLDEN / "ugatit" / "light_small" / "light_small_params_0000000.pt"
FULL = GOLDEN / "ugatit" / "full_small" / "full_small_params_0000000.pt"


def loaded(path: Path = LIGHT) -> dict:
    return torch.load(path, weights_only=True)


def saved(content, path: Path) -> Path:
    torch.save(content, path)
    return path


def refused(path: Path, **files: Path) -> str:
    with pytest.raises(UserError) as error:
        import_checkpoint(path, **{"config": None, "discriminators": None, **files})
    assert all(problem.hint for problem in error.value.problems)
    return str(error.value)


def test_settings_follow_from_the_shapes():
    light = import_checkpoint(LIGHT, config=None, discriminators=None)
    assert (light.config.generator.light, light.config.generator.size) == (True, None)
    assert (light.config.generator.dim, light.config.generator.num_res_blocks) == (2, 2)
    assert (light.config.discriminator.num_layers_global, light.config.discriminator.num_layers_local) == (7, 5)
    assert light.config.layers == "pytorch"
    assert (light.config.variance, light.config.discriminator.cam_weight) == ("unbiased", "raw")
    assert "256 px" in light.notes[0]
    full = import_checkpoint(FULL, config=None, discriminators=None)
    assert (full.config.generator.light, full.config.generator.size) == (False, (128, 128))
    assert full.data.size == (128, 128)
    assert (full.data.resize, full.data.margin) == ("stretch", 30)
    assert full.notes == ()


@pytest.mark.parametrize("path", [LIGHT, FULL])
def test_all_six_networks_fit(path):
    imported = import_checkpoint(path, config=None, discriminators=None)
    method = Ugatit(imported.config)
    method.generators.load_state_dict(imported.generators)
    method.discriminators.load_state_dict(imported.discriminators)
    assert imported.config.problems(imported.data.size) == []


def test_directions_are_not_mixed_up():
    imported = import_checkpoint(LIGHT, config=None, discriminators=None)
    content = loaded()
    assert torch.equal(imported.generators["to_b.encoder.convs.0.conv.weight"], content["genA2B"]["DownBlock.1.weight"])
    assert torch.equal(imported.discriminators["local_b.head.sigma.v"], content["disLB"]["conv.weight_v"])


def test_a_torn_file(tmp_path):
    path = tmp_path / "torn.pt"
    path.write_bytes(LIGHT.read_bytes()[:20_000])
    assert "torn or not a PyTorch checkpoint" in refused(path)


def test_no_file_and_files_of_something_else(tmp_path):
    assert "no such file" in refused(tmp_path / "missing.pt")
    assert "unpaired import munit" in refused(GOLDEN / "munit" / "default_small" / "gen_00000000.pt")
    assert "holds list" in refused(saved([1, 2], tmp_path / "list.pt"))


def test_a_missing_network(tmp_path):
    content = loaded()
    del content["disLB"]
    assert "lacks disLB" in refused(saved(content, tmp_path / "five.pt"))


def test_networks_of_different_sizes(tmp_path):
    message = refused(saved(loaded() | {"genB2A": loaded(FULL)["genB2A"]}, tmp_path / "mixed.pt"))
    assert "do not fit together" in message
    assert "genB2A.FC.0.weight is 8x8192, expected 8x8" in message
    assert "light, 2 channels, 2 residual blocks" in message


def test_a_full_model_of_no_possible_size(tmp_path):
    content = loaded(FULL)
    content["genA2B"]["FC.0.weight"] = torch.zeros(8, 8 * 1000)
    assert "fits no picture size" in refused(saved(content, tmp_path / "odd.pt"))


def test_a_lost_and_an_unknown_tensor(tmp_path):
    content = loaded()
    content["genA2B"]["extra"] = content["genA2B"].pop("gamma.weight")
    message = refused(saved(content, tmp_path / "other.pt"))
    assert "genA2B.gamma.weight is missing" in message
    assert "genA2B.extra is not known" in message


def test_a_generator_without_its_first_layer(tmp_path):
    content = loaded()
    del content["genA2B"]["DownBlock.1.weight"]
    assert "genA2B.DownBlock.1.weight is missing" in refused(saved(content, tmp_path / "headless.pt"))


def test_other_files_are_not_needed(tmp_path):
    message = refused(LIGHT, config=tmp_path / "x.yaml", discriminators=tmp_path / "dis.pt")
    assert "no config files" in message
    assert "holds all networks" in message


def test_a_file_of_old_torch(tmp_path):
    """Before torch 1.6 files were no zip archives."""
    path = tmp_path / "old.pt"
    torch.save(loaded(), path, _use_new_zipfile_serialization=False)
    assert import_checkpoint(path, config=None, discriminators=None).config.generator.light
