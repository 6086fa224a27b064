"""The reference codes are run from outside: with miniatures here, since nothing of theirs is in this repository."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from benchmarks.speed.contest import Rules, contest
from benchmarks.speed.munit_reference import reference_settings
from benchmarks.speed.worker import Terms

from benchmarks.speed import munit_reference, ugatit_reference
from unpaired.config import DataConfig, RunConfig
from unpaired.models.munit.config import MunitConfig, WeightsConfig
from unpaired.models.munit.reference_yaml import read_reference_yaml
from unpaired.models.ugatit.config import DiscriminatorConfig, GeneratorConfig, UgatitConfig
from unpaired.presets import PRESETS

TRAINER = """
from torch.utils.serialization import load_lua
import json
import torch
from torch import nn


class MUNIT_Trainer(nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.noise = torch.randn(2).cuda()
        self.layer = nn.Linear(2, 2)
        self.calls = []

    def dis_update(self, x_a, x_b, settings):
        self.calls.append(["dis", list(x_a.shape), settings["gen"]["dim"]])

    def gen_update(self, x_a, x_b, settings):
        self.calls.append(["gen", list(x_b.shape), self.layer(self.noise).numel()])
        open(settings["gen"]["activ"] + ".json", "w").write(json.dumps(self.calls[:2]))
"""

NETWORKS = '''
import torch
from torch import nn


class ResnetGenerator(nn.Module):
    """Like the reference's in what goes in and out."""

    def __init__(self, input_nc, output_nc, ngf, n_blocks, img_size, light):
        super().__init__()
        self.conv = nn.Conv2d(input_nc, output_nc, 1)
        self.rho = nn.Parameter(torch.tensor([7.0]))

    def forward(self, x):
        y = self.conv(x) * self.rho
        return y, y.mean(dim=(2, 3))[:, :2], y


class Discriminator(nn.Module):
    """The same."""

    def __init__(self, input_nc, ndf, n_layers):
        super().__init__()
        self.conv = nn.Conv2d(input_nc, 1, 1)

    def forward(self, x):
        y = self.conv(x)
        return y, y.mean(dim=(2, 3)), y


class RhoClipper:
    def __init__(self, low, high):
        self.range = low, high

    def __call__(self, module):
        if hasattr(module, "rho"):
            module.rho.data.clamp_(*self.range)
'''


class TestMunit:
    def test_its_trainer_runs_without_cuda_and_without_what_torch_has_no_longer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "trainer.py").write_text(TRAINER, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        config = replace(PRESETS["munit-small"](), device="cpu", data=DataConfig(size=(8, 8)), batch_size=2)
        side = partial(munit_reference.training_step, tmp_path, config)
        contest("x", {"reference": side}, Rules(rounds=1, terms=Terms(threads=1, device="cpu", seconds=0.0)))
        calls = json.loads((tmp_path / "relu.json").read_text(encoding="utf-8"))
        assert calls == [["dis", [2, 3, 8, 8], 16], ["gen", [2, 3, 8, 8], 2]]

    @pytest.mark.parametrize(
        "model", [MunitConfig(), PRESETS["munit-small"]().model, MunitConfig(weights=WeightsConfig(cycle=10.0))]
    )
    def test_its_settings_are_ours(self, model: MunitConfig, tmp_path: Path) -> None:
        settings = reference_settings(replace(PRESETS["munit"](), model=model))
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps({**settings, "new_size": 256}), encoding="utf-8")
        assert read_reference_yaml(path).model == model


class TestUgatit:
    @pytest.fixture
    def trainer(self, tmp_path: Path) -> ugatit_reference.Trainer:
        names: dict[str, object] = {}
        exec(NETWORKS, names)
        networks = type("networks", (), names)
        return ugatit_reference.Trainer(networks, self.config())

    def config(self) -> RunConfig:
        model = UgatitConfig(generator=GeneratorConfig(light=True), discriminator=DiscriminatorConfig(dim=4))
        return replace(PRESETS["ugatit-light"](), device="cpu", model=model, data=DataConfig(size=(8, 8)))

    def test_a_step_moves_every_network_and_clips(self, trainer: ugatit_reference.Trainer) -> None:
        networks = [*trainer.generators, *(n for pair in trainer.discriminators for n in pair)]
        before = [network.conv.weight.detach().clone() for network in networks]
        trainer.step()
        assert all(not torch.equal(b, n.conv.weight) for b, n in zip(before, networks, strict=True))
        assert [generator.rho.item() for generator in trainer.generators] == [1.0, 1.0]

    def test_the_discriminator_update_sends_its_gradient_into_the_generators(
        self, trainer: ugatit_reference.Trainer
    ) -> None:
        """Wasteful, as the reference is: that is part of its time and memory."""
        trainer._update_discriminators()
        assert all(generator.conv.weight.grad is not None for generator in trainer.generators)
