import pytest
import torch
from torch import nn

from unpaired.training.ema import Ema


def filled(value: float) -> nn.Module:
    module = nn.BatchNorm2d(2)
    for tensor in (*module.parameters(), module.running_mean):
        nn.init.constant_(tensor, value)
    return module


def test_moves_by_the_share_that_decay_leaves():
    ema = Ema(filled(0.0), decay=0.9)
    ema.update(filled(1.0), step=10_000)
    assert ema.module.weight[0].item() == pytest.approx(0.1)


def test_early_updates_move_faster():
    ema = Ema(filled(0.0), decay=0.999)
    ema.update(filled(1.0), step=0)
    assert ema.module.weight[0].item() == pytest.approx(0.9)


def test_buffers_are_copied_and_the_source_is_left_alone():
    ema, source = Ema(filled(0.0), decay=0.9), filled(1.0)
    ema.update(source, step=10_000)
    assert ema.module.running_mean[0].item() == 1.0
    assert source.weight[0].item() == 1.0
    assert not any(p.requires_grad for p in ema.module.parameters())
    assert torch.equal(ema.module.num_batches_tracked, source.num_batches_tracked)
