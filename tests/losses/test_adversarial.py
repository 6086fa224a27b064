import math

import pytest
import torch

from unpaired.losses.adversarial import discriminator_loss, generator_loss, mixup_discriminator_loss

SCALES = [torch.tensor([[0.5, -1.0]]), torch.tensor([[2.0]])]
REAL = [torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0]])]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_lsgan_discriminator_sums_scales_without_a_half():
    # fake: (0.25 + 1) / 2 + 4; real: (0 + 1) / 2 + 4
    assert discriminator_loss("lsgan", fake=SCALES, real=REAL).item() == pytest.approx(0.625 + 4 + 0.5 + 4)


def test_lsgan_generator():
    assert generator_loss("lsgan", SCALES).item() == pytest.approx((0.25 + 4) / 2 + 1)


def test_nsgan_discriminator():
    fake = -(math.log(1 - sigmoid(0.5)) + math.log(1 - sigmoid(-1))) / 2 - math.log(1 - sigmoid(2))
    real = -(math.log(sigmoid(1)) + math.log(sigmoid(0))) / 2 - math.log(sigmoid(-1))
    assert discriminator_loss("nsgan", fake=SCALES, real=REAL).item() == pytest.approx(fake + real, rel=1e-5)


def test_nsgan_generator():
    expected = -(math.log(sigmoid(0.5)) + math.log(sigmoid(-1))) / 2 - math.log(sigmoid(2))
    assert generator_loss("nsgan", SCALES).item() == pytest.approx(expected, rel=1e-5)


def test_hinge_discriminator():
    # fake: relu(1 + s): (1.5 + 0) / 2 + 3; real: relu(1 - s): (0 + 1) / 2 + 2
    assert discriminator_loss("hinge", fake=SCALES, real=REAL).item() == pytest.approx(0.75 + 3 + 0.5 + 2)


def test_hinge_generator_is_the_negative_mean_score():
    assert generator_loss("hinge", SCALES).item() == pytest.approx(0.25 - 2)


@pytest.mark.parametrize("kind", ["lsgan", "nsgan", "hinge"])
def test_mixup_of_nothing_but_real_or_fake_is_one_half_of_the_plain_loss(kind):
    alone_fake = mixup_discriminator_loss(kind, SCALES, 0.0)
    alone_real = mixup_discriminator_loss(kind, REAL, 1.0)
    together = discriminator_loss(kind, fake=SCALES, real=REAL)
    assert (alone_fake + alone_real).item() == pytest.approx(together.item(), rel=1e-6)


def test_mixup_lsgan_target_is_the_share_of_the_real_picture():
    assert mixup_discriminator_loss("lsgan", [torch.tensor([[0.3]])], 0.3).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", ["lsgan", "nsgan", "hinge"])
def test_scores_in_bfloat16_are_averaged_in_float32(kind):
    scores = [torch.full((1, 1, 64, 64), 0.1, dtype=torch.bfloat16)]
    assert generator_loss(kind, scores).dtype == torch.float32
