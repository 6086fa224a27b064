from pathlib import Path

import pytest
import torch
import yaml

from unpaired.errors import UserError
from unpaired.models.munit.importer import import_checkpoint

GOLDEN = Path(__file__).parents[2] / "golden" / "munit" / "default_small"
GEN, DIS, YAML = GOLDEN / "gen_00000000.pt", GOLDEN / "dis_00000000.pt", GOLDEN / "config.yaml"


def loaded(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def saved(content, path: Path) -> Path:
    torch.save(content, path)
    return path


def edited_yaml(folder: Path, **changes) -> Path:
    data = yaml.safe_load(YAML.read_text(encoding="utf-8"))
    for path, value in changes.items():
        *sections, key = path.split("__")
        target = data
        for section in sections:
            target = target[section]
        target[key] = value
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def refused(gen: Path = GEN, config: Path | None = None, dis: Path | None = None) -> str:
    with pytest.raises(UserError) as error:
        import_checkpoint(gen, config=config, discriminators=dis)
    assert error.value.problems[0].hint
    return str(error.value)


def test_sizes_are_inferred_from_the_shapes():
    with_yaml = import_checkpoint(GEN, config=YAML, discriminators=DIS)
    without = import_checkpoint(GEN, config=None, discriminators=DIS)
    assert without.config.generator == with_yaml.config.generator
    assert without.config.discriminator == with_yaml.config.discriminator
    assert without.notes
    assert all(torch.equal(without.generators[key], tensor) for key, tensor in with_yaml.generators.items())


def test_the_yaml_files_losses_and_weights_are_read(tmp_path):
    config = edited_yaml(tmp_path, recon_x_cyc_w=10, dis__gan_type="nsgan", gen__pad_type="zero", init="xavier")
    model = import_checkpoint(GEN, config=config, discriminators=None).config
    assert model.weights.cycle == 10
    assert model.adversarial == "nsgan"
    assert model.generator.padding == "zero"
    assert model.generator_init == "xavier"


def test_stray_statistics_of_torch_03_are_left_out(tmp_path):
    content = loaded(GEN)
    for domain in "ab":
        for layer in range(3):
            content[domain][f"enc_content.model.{layer}.norm.running_mean"] = torch.ones(4)
            content[domain][f"enc_content.model.{layer}.norm.running_var"] = torch.ones(4)
    old = import_checkpoint(saved(content, tmp_path / "gen.pt"), config=None, discriminators=None)
    new = import_checkpoint(GEN, config=None, discriminators=None)
    assert old.generators.keys() == new.generators.keys()


def test_files_in_the_format_before_torch_1_6_are_read(tmp_path):
    torch.save(loaded(GEN), tmp_path / "gen.pt", _use_new_zipfile_serialization=False)
    assert import_checkpoint(tmp_path / "gen.pt", config=None, discriminators=None).generators


def test_spectral_norm_is_found_in_the_names(tmp_path):
    content = loaded(DIS)
    for domain in "ab":
        state = content[domain]
        for key in [key for key in state if ".conv." in key]:
            tensor = state.pop(key)
            if key.endswith("bias"):
                state[key.replace(".conv.", ".conv.module.")] = tensor
                continue
            module = key.replace(".conv.weight", ".conv.module")
            state |= {f"{module}.weight_bar": tensor, f"{module}.weight_u": torch.ones(tensor.shape[0])}
            state[f"{module}.weight_v"] = torch.ones(tensor[0].numel())
    found = import_checkpoint(GEN, config=None, discriminators=saved(content, tmp_path / "dis.pt"))
    assert found.config.discriminator.norm == "spectral"
    assert found.discriminators is not None


def test_a_missing_and_an_unknown_tensor_are_named(tmp_path):
    content = loaded(GEN)
    content["b"]["something.else"] = torch.ones(1)
    del content["a"]["mlp.model.1.fc.bias"]
    message = refused(saved(content, tmp_path / "gen.pt"))
    assert "a.mlp.model.1.fc.bias is missing" in message
    assert "b.something.else is not known" in message
    assert "2 tensors" in message


def test_a_yaml_of_another_size_is_refused_with_both_shapes(tmp_path):
    message = refused(config=edited_yaml(tmp_path, gen__dim=8))
    assert "a.enc_content.model.0.conv.weight is 4x3x7x7, expected 8x3x7x7" in message


def test_wrong_yaml_keys_and_values_are_all_named(tmp_path):
    message = refused(config=edited_yaml(tmp_path, gen__n_ress=3, dis__nrom="none"))
    assert "gen.n_ress" in message
    assert "n_res" in message
    assert "dis.nrom" in message
    assert "padding" in refused(config=edited_yaml(tmp_path, gen__pad_type="mirror"))
    assert "4 channels" in refused(config=edited_yaml(tmp_path, input_dim_a=4))


def test_a_discriminator_file_in_place_of_a_generator_file(tmp_path):
    assert "enc_content" in refused(DIS)
    assert "cnns.0.0" in refused(dis=GEN)


@pytest.mark.parametrize("length", [0, 10, 5000])
def test_a_torn_file(tmp_path, length):
    torn = tmp_path / "gen.pt"
    torn.write_bytes(GEN.read_bytes()[:length])
    assert "torn" in refused(torn)


def test_files_that_are_something_else(tmp_path):
    assert "no such file" in refused(tmp_path / "missing.pt")
    assert "not a MUNIT checkpoint" in refused(saved({"genA2B": {}}, tmp_path / "ugatit.pt"))
    assert "not a MUNIT checkpoint" in refused(saved([1, 2], tmp_path / "list.pt"))
    assert "no gen and dis sections" in refused(config=_written(tmp_path / "x.yaml", "a: 1"))
    assert "cannot be read as YAML" in refused(config=_written(tmp_path / "y.yaml", "a: ["))


class Attack:
    """What a checkpoint that runs code looks like."""

    def __reduce__(self):
        return (print, ("executed",))


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    assert "torn or not" in refused(saved({"a": Attack(), "b": {}}, tmp_path / "evil.pt"))
    assert "executed" not in capsys.readouterr().out


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
