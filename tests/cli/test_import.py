from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from unpaired.inference.bundle import open_model

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "munit" / "default_small"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(GOLDEN / "gen_00000000.pt", "gen_00012000.pt")
    return tmp_path


def test_a_checkpoint_becomes_a_bundle_that_translates(here, unpaired):
    settings = yaml.safe_load((GOLDEN / "config.yaml").read_text(encoding="utf-8"))
    settings |= {"crop_image_height": 64, "crop_image_width": 96, "new_size": 72}
    Path("config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    called = unpaired("import", "munit", "gen_00012000.pt", "--config", "config.yaml", "--out", "imported")
    assert called.code == 0, called.err
    reference = settings["gen"]
    assert f"dim {reference['dim']}" in called.out
    assert "unpaired translate imported" in called.out
    bundle = open_model(Path("imported"))
    assert (bundle.config.data.size, bundle.config.data.resize) == ((64, 96), 72)
    assert (bundle.config.step, bundle.config.weights) == (12000, "raw")
    assert "gen_00012000.pt" in bundle.config.source
    style = bundle.build_networks().encode_style(torch.zeros(1, 3, 64, 64), "a")
    assert style.shape == (1, reference["style_dim"])


def test_sizes_are_inferred_and_the_assumption_said(here, unpaired):
    called = unpaired("import", "munit", "gen_00012000.pt", "--out", "imported")
    assert called.code == 0, called.err
    assert "note: " in called.out
    with_config = unpaired("import", "munit", "gen_00012000.pt", "--config", GOLDEN / "config.yaml", "--out", "two")
    assert with_config.code == 0
    assert open_model(Path("imported")).fingerprint == open_model(Path("two")).fingerprint


def test_discriminators_come_along(here, unpaired):
    dis = GOLDEN / "dis_00000000.pt"
    called = unpaired("import", "munit", "gen_00012000.pt", "--dis", dis, "--out", "imported")
    assert called.code == 0, called.err
    assert "two discriminators" in called.out
    assert open_model(Path("imported"), with_discriminators=True).discriminators


def test_an_unknown_model(here, unpaired):
    called = unpaired("import", "munti", "gen_00012000.pt", "--out", "imported")
    assert called.code == 2
    assert 'Did you mean "munit"?' in called.err


@pytest.mark.parametrize("name", ["gen_00012000.pt", "none.pt"])
def test_all_problems_together(here, unpaired, name):
    Path("gen_00012000.pt").write_bytes(b"torn")
    called = unpaired("import", "munit", name, "--out", here)
    assert called.code == 2
    assert called.num_errors == 2
    assert "not empty" in called.err
    assert name in called.err
