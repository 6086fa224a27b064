from __future__ import annotations

from pathlib import Path

from unpaired.inference.bundle import open_model


def test_a_run_becomes_a_bundle(trained_run, unpaired):
    called = unpaired("bundle", trained_run, "--out", "my model")
    assert called.code == 0, called.err
    assert sorted(path.name for path in Path("my model").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    bundle = open_model(Path("my model"))
    assert bundle.fingerprint == open_model(trained_run).fingerprint
    assert bundle.config.weights == "ema"
    assert "ema weights of run 0001-munit-cats2dogs" in called.out
    assert "unpaired translate 'my model'" in called.out.replace('"', "'")


def test_raw_weights(trained_run, unpaired):
    assert unpaired("bundle", trained_run, "--raw", "--out", "raw").code == 0
    assert open_model(Path("raw")).config.weights == "raw"
    assert open_model(Path("raw")).fingerprint == open_model(trained_run, raw=True).fingerprint


def test_all_problems_together(trained_run, unpaired):
    called = unpaired("bundle", "runs/0001-munit-cats2dog", "--out", trained_run)
    assert called.code == 2
    assert called.num_errors == 2
    assert "exists and is not empty" in called.err
    assert 'Did you mean "0001-munit-cats2dogs"?' in called.err


def test_out_is_needed(trained_run, unpaired):
    called = unpaired("bundle", trained_run)
    assert called.code == 2
    assert "--out" in called.err
