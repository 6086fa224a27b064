from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unpaired import demo, tensorfile
from unpaired.errors import UserError
from unpaired.inference.bundle import Bundle, open_model, write_bundle
from unpaired.inference.card import model_card
from unpaired.inference.translator import Translator


@pytest.fixture
def bundle_folder(run_folder: Path, tmp_path: Path) -> Path:
    write_bundle(open_model(run_folder), tmp_path / "cats2dogs")
    return tmp_path / "cats2dogs"


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    data = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value != "DROP"}), encoding="utf-8")


def assert_same_weights(first: Bundle, second: Bundle) -> None:
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


class TestRuns:
    def test_the_average_is_taken_by_default_and_the_last_weights_on_request(self, run_folder, trained_tensors):
        for raw, prefix, kind in ((False, "ema.", "ema"), (True, "generators.", "raw")):
            bundle = open_model(run_folder, raw=raw)
            assert bundle.config.weights == kind
            for name, tensor in bundle.weights.items():
                assert torch.equal(tensor, trained_tensors[f"{prefix}{name}"]), name

    def test_without_an_average_the_last_weights_are_taken(self, run_folder, trained_tensors, save_checkpoint):
        tensors = {name: t for name, t in trained_tensors.items() if not name.startswith("ema.")}
        save_checkpoint(run_folder / "checkpoints/last.safetensors", tensors)
        assert open_model(run_folder).config.weights == "raw"

    def test_facts(self, run_folder):
        config = open_model(run_folder).config
        assert (config.domains.a, config.domains.b) == ("cats", "dogs")
        assert config.step == 7
        assert config.source == "run 0001-munit-cats2dogs"
        assert config.data.size == (32, 32)

    def test_a_checkpoint_file_opens_too(self, run_folder):
        last = run_folder / "checkpoints/last.safetensors"
        snapshot = last.with_name("step-00000007.safetensors")
        last.rename(snapshot)
        assert_same_weights(open_model(snapshot), open_model(Path(shutil.copy(snapshot, last)).parent.parent))

    def test_discriminators_only_when_asked_for(self, run_folder):
        assert open_model(run_folder).discriminators is None
        discriminators = open_model(run_folder, with_discriminators=True).discriminators
        assert discriminators
        assert all(name.startswith(("a.", "b.")) for name in discriminators)

    def test_networks_have_the_weights(self, run_folder):
        bundle = open_model(run_folder)
        networks = bundle.build_networks()
        assert not networks.training
        assert all(torch.equal(bundle.weights[name], tensor) for name, tensor in networks.state_dict().items())
        assert not any(parameter.requires_grad for parameter in networks.parameters())
        own = [tensor.data_ptr() % 64 == 0 for tensor in networks.state_dict().values()]
        assert all(own), "products may depend on where their numbers lie"

    def test_the_working_side_is_the_scale_of_training(self, run_folder):
        data = open_model(run_folder).config.data
        assert replace(data, size=(64, 96), resize="cover").working_side == 64
        assert replace(data, resize="stretch").working_side == 32
        assert replace(data, resize=80).working_side == 80
        assert replace(data, resize="none").working_side is None


class TestBundles:
    def test_round_trip(self, run_folder, bundle_folder):
        before, after = open_model(run_folder), open_model(bundle_folder)
        assert after.config == before.config
        assert_same_weights(before, after)
        assert before.fingerprint == after.fingerprint
        assert before.fingerprint != open_model(run_folder, raw=True).fingerprint

    def test_one_changed_number_changes_the_fingerprint(self, run_folder):
        bundle = open_model(run_folder)
        name, tensor = next(iter(bundle.weights.items()))
        changed = tensor.clone()
        changed.view(-1)[0] += 1e-7
        assert replace(bundle, weights={**bundle.weights, name: changed}).fingerprint != bundle.fingerprint

    def test_the_weights_file_names_its_bundle(self, bundle_folder):
        assert open_model(bundle_folder / "model.safetensors").config == open_model(bundle_folder).config

    def test_the_card_of_a_model_without_styles(self, attentive, of_one_size, without_attention):
        cards = [model_card(t.bundle.config, "selfie2toon", 1) for t in (attentive, of_one_size, without_attention)]
        for card in cards:
            assert "U-GAT-IT" in card
            assert "One input has one answer" in card
            assert "style code, drawn" not in card
            assert "--style" not in card
        assert ["--attention" in card for card in cards] == [True, True, False]
        assert ["32×24 pixels" in card for card in cards] == [False, True, False]
        assert "U-GAT-IT (light)" in cards[0]

    def test_the_card_says_what_it_is_and_how_to_use_it(self, bundle_folder):
        card = (bundle_folder / "README.md").read_text(encoding="utf-8")
        for part in ("# cats2dogs", "**cats**", "**dogs**", "Training steps | 7", "32×32", "moving average",
                     "unpaired translate cats2dogs", 'unpaired.load("cats2dogs")', "style_dim: 3"):  # fmt: skip
            assert part in card

    def test_discriminators_travel_with_an_import(self, run_folder, tmp_path):
        whole = open_model(run_folder, with_discriminators=True)
        write_bundle(whole, tmp_path / "whole")
        again = open_model(tmp_path / "whole", with_discriminators=True)
        assert again.discriminators is not None
        assert again.discriminators.keys() == whole.discriminators.keys()
        assert open_model(tmp_path / "whole").discriminators is None

    def test_raw_weights_of_an_averaged_bundle_are_refused(self, bundle_folder, run_folder, tmp_path):
        with pytest.raises(UserError, match="only the averaged"):
            open_model(bundle_folder, raw=True)
        write_bundle(open_model(run_folder, raw=True), tmp_path / "raw")
        assert open_model(tmp_path / "raw", raw=True).config.weights == "raw"

    def test_only_into_a_new_or_empty_folder(self, run_folder, bundle_folder, tmp_path):
        bundle = open_model(run_folder)
        with pytest.raises(UserError, match="not empty"):
            write_bundle(bundle, bundle_folder)
        (tmp_path / "empty").mkdir()
        write_bundle(bundle, tmp_path / "empty")
        with pytest.raises(UserError, match="is a file"):
            write_bundle(bundle, bundle_folder / "README.md")

    def test_a_failure_leaves_nothing(self, run_folder, tmp_path, monkeypatch):
        def full(path, tensors, header):
            path.write_bytes(b"half")
            raise UserError("no space left")

        monkeypatch.setattr(tensorfile, "write", full)
        with pytest.raises(UserError, match="no space left"):
            write_bundle(open_model(run_folder), tmp_path / "deep" / "new")
        assert list((tmp_path / "deep").iterdir()) == []

    def test_a_place_that_cannot_be_written(self, run_folder, tmp_path):
        (tmp_path / "file").write_text("x", encoding="utf-8")
        with pytest.raises(UserError, match="cannot be written"):
            write_bundle(open_model(run_folder), tmp_path / "file" / "below")


class TestRefused:
    """Each mistake is named, with a way out."""

    def refused(self, path: Path) -> str:
        """What is said when `path` is opened, the way out with it."""
        with pytest.raises(UserError) as error:
            open_model(path)
        assert error.value.problems[0].hint
        return str(error.value)

    def test_a_run_without_checkpoint(self, run_folder):
        (run_folder / "checkpoints/last.safetensors").unlink()
        message = self.refused(run_folder)
        assert "no checkpoint yet" in message
        assert f"--resume {run_folder}" in message

    def test_a_torn_checkpoint_names_the_latest_snapshot(self, run_folder):
        last = run_folder / "checkpoints/last.safetensors"
        shutil.copy(last, last.with_name("step-00000003.safetensors"))
        shutil.copy(last, last.with_name("step-00000005.safetensors"))
        last.write_bytes(last.read_bytes()[:2000])
        message = self.refused(run_folder)
        assert "torn" in message
        assert "step-00000005.safetensors" in message

    def test_a_safetensors_file_from_elsewhere(self, tmp_path):
        save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
        assert "not written by unpaired" in self.refused(tmp_path / "other.safetensors")

    def test_a_pytorch_file(self, tmp_path):
        (tmp_path / "gen_00000001.pt").write_bytes(b"x")
        assert "unpaired import munit" in self.refused(tmp_path / "gen_00000001.pt")

    def test_a_folder_that_is_neither(self, tmp_path):
        assert "neither a run folder nor a bundle" in self.refused(tmp_path)

    def test_the_folder_of_all_runs(self, run_folder):
        message = self.refused(run_folder.parent)
        assert "neither" in message
        assert str(run_folder) in message

    def test_a_missing_path_near_another(self, run_folder):
        message = self.refused(run_folder.with_name("0001-munit-cats2dog"))
        assert "no such model" in message
        assert "0001-munit-cats2dogs" in message

    def test_a_checkpoint_in_the_place_of_a_bundles_weights(self, run_folder, bundle_folder):
        shutil.copy(run_folder / "checkpoints/last.safetensors", bundle_folder / "model.safetensors")
        assert "holds a checkpoint" in self.refused(bundle_folder)

    def test_a_bundles_weights_in_the_place_of_a_checkpoint(self, run_folder, bundle_folder):
        shutil.copy(bundle_folder / "model.safetensors", run_folder / "checkpoints/last.safetensors")
        assert "holds a bundle" in self.refused(run_folder)

    def test_weights_that_do_not_fit_name_the_first_tensors(self, run_folder, trained_tensors, save_checkpoint):
        tensors = trained_tensors
        tensors["ema.a.mlp.0.weight"] = torch.zeros(8, 5)
        tensors["ema.a.extra"] = torch.zeros(1)
        del tensors["ema.b.decoder.head.bias"]
        save_checkpoint(run_folder / "checkpoints/last.safetensors", tensors)
        message = self.refused(run_folder)
        assert "in 3 tensors" in message
        assert "b.decoder.head.bias is missing" in message
        assert "a.extra is not known" in message
        assert "a.mlp.0.weight is [8, 5], expected [8, 3]" in message

    @pytest.mark.parametrize(
        ("changes", "parts"),
        [
            ({"extra": 1}, ["extra", "unknown setting"]),
            ({"model": "DROP"}, ["model", "is missing"]),
            ({"format": 2}, ["format", "2 is not allowed", "newer unpaired"]),
            ({"weights": "best"}, ["weights", "'best' is not allowed"]),
            ({"step": -1}, ["step", "-1 is not allowed"]),
        ],
    )
    def test_a_config_that_is_wrong(self, bundle_folder, changes, parts):
        edit_config(bundle_folder, **changes)
        message = self.refused(bundle_folder)
        assert "config.json" in message
        assert all(part in message for part in parts)

    @pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[]"])
    def test_a_config_that_is_no_json(self, bundle_folder, content):
        (bundle_folder / "config.json").write_bytes(content)
        assert "cannot be read as JSON" in self.refused(bundle_folder)

    def test_a_bundle_without_weights(self, bundle_folder):
        (bundle_folder / "model.safetensors").unlink()
        message = self.refused(bundle_folder)
        assert "model.safetensors" in message
        assert "no such file" in message


def test_demo_is_the_model_that_comes_with_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle = open_model(Path("demo"))
    assert bundle.fingerprint == open_model(demo.model_folder()).fingerprint
    files = list(demo.model_folder().iterdir())
    assert sum(path.stat().st_size for path in files) < 8 * 2**20
    assert "CC-BY 4.0" in (demo.model_folder() / "README.md").read_text(encoding="utf-8"), "credit for the pictures"


def test_a_folder_called_demo_comes_first(tmp_path, monkeypatch, bundle_folder):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bundle_folder, tmp_path / "demo")
    assert open_model(Path("demo")).fingerprint == open_model(bundle_folder).fingerprint


def test_half_the_size_and_nearly_the_same_pictures(bundle_folder, tmp_path):
    whole = open_model(bundle_folder)
    write_bundle(whole.halved(), tmp_path / "half")
    half = open_model(tmp_path / "half")
    size, full_size = ((f / "model.safetensors").stat().st_size for f in (tmp_path / "half", bundle_folder))
    assert size < 0.75 * full_size  # names and shapes take room too
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    results = [Translator(bundle).translate_tensor(x, to="b", seed=0) for bundle in (whole, half)]
    assert (results[0] - results[1]).abs().max() < 0.02
    assert results[1].dtype == torch.float32
