from dataclasses import replace

import pytest
import torch

from unpaired.errors import UserError
from unpaired.models.base import Batch
from unpaired.models.munit.config import WeightsConfig
from unpaired.training.engine import Engine
from unpaired.training.face_loss import Faces
from unpaired.training.runs import make_folder
from unpaired.training.selfcheck import self_check
from unpaired.training.state import TrainState, rng_for


@pytest.fixture
def batch() -> Batch:
    return Batch(*(torch.rand(2, 3, 16, 16, generator=rng_for(d)) * 2 - 1 for d in "ab"))


def test_leaves_the_state_and_the_folder_as_they_were(config, batch, tmp_path):
    state, run = TrainState(config, Engine("cpu")), make_folder(tmp_path / "run")
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    assert self_check(state, iter([(batch, Faces())] * 2), batch, run) > 0
    assert state.step == 0
    assert state.tensors().keys() == before.keys()  # no moments of the optimizers either
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())
    assert list(run.checkpoints.iterdir()) == []


def test_names_a_part_that_does_not_learn(config, batch, tmp_path):
    nothing = WeightsConfig(adversarial=0.0, image=0.0, style=0.0, content=0.0)
    optimizer = replace(config.optimizer, weight_decay=0.0)
    state = TrainState(
        replace(config, model=replace(config.model, weights=nothing), optimizer=optimizer), Engine("cpu")
    )
    with pytest.raises(UserError, match=r"generators\.a\.content_encoder"):
        self_check(state, iter([(batch, Faces())] * 2), batch, make_folder(tmp_path / "run"))
