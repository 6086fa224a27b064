from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from PIL import Image

import unpaired
from unpaired.errors import UsageError


def test_version():
    assert unpaired.__version__ == version("unpaired")


def test_what_is_offered_exists():
    assert set(unpaired.__all__) <= set(dir(unpaired))
    for name in unpaired.__all__:
        assert getattr(unpaired, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        unpaired.nothing  # noqa: B018


def test_importing_loads_nothing_heavy():
    code = "import sys, unpaired; unpaired.__version__; print({'torch', 'PIL', 'pydantic'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_train_load_translate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for domain, colour in (("cats", "red"), ("dogs", "blue")):
        Path(domain).mkdir()
        for number in range(3):
            Image.new("RGB", (36, 32 + number), colour).save(f"{domain}/{number}.png")
    tiny = {
        "steps": 2,
        "device": "cpu",
        "data.size": [32, 32],
        "model.generator.dim": 4,
        "model.generator.num_res_blocks": 1,
        "model.discriminator.dim": 4,
        "model.discriminator.num_layers": 2,
        "model.discriminator.num_scales": 1,
        "samples.num_inputs": 2,
        "log.tensorboard": False,
    }
    run = unpaired.train("cats", "dogs", preset="munit-small", settings=tiny, out="run")
    assert run == Path("run")
    translator = unpaired.load(run, device="cpu")
    assert isinstance(translator, unpaired.Translator)
    pictures = translator.translate("cats/0.png", to="b", num_styles=2, seed=0)
    assert [picture.size for picture in pictures] == [(36, 32)] * 2
    assert translator.encode_style(torch.zeros(1, 3, 32, 32), domain="b").shape == (1, 8)


def test_mistakes_in_training_are_reported_together(tmp_path):
    with pytest.raises(UsageError) as error:
        unpaired.train(tmp_path / "none", preset="munit-smal", settings={"stepz": 2, "batch_size": "x"})
    said = str(error.value)
    for part in ("none", "munit-smal", "stepz", "batch_size", "'x'"):
        assert part in said
