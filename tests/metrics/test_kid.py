"""Kernel distances against the papers' formulas written out, torch-fidelity, and what they are expected to be."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError, UserError
from unpaired.metrics.kid import (
    UGATIT_ALPHA,
    kernel_distance,
    kernel_distance_blocks,
    kernel_distance_estimate,
    kernel_distance_per_picture,
    kernel_distance_subsets,
    mean_kernel_distance,
)


def drawn(num: int, seed: int, shift: float = 0.0, dim: int = 5) -> Tensor:
    return torch.randn(num, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def plain(first: Tensor, second: Tensor) -> float:
    """The unbiased estimate, pair by pair."""

    def kernel(u: Tensor, v: Tensor) -> float:
        return float((sum(float(a) * float(b) for a, b in zip(u, v, strict=True)) / len(u) + 1) ** 3)

    within = [
        sum(kernel(u, v) for u, v in itertools.permutations(side, 2)) / (len(side) * (len(side) - 1))
        for side in (first, second)
    ]
    across = sum(kernel(u, v) for u in first for v in second) / (len(first) * len(second))
    return sum(within) - 2 * across


def true_distance(shift: float, other_shift: float, dim: int = 5) -> float:
    """The distance of N(shift, I) and N(other_shift, I), from the first three moments of their coordinates."""

    def expected(a: float, b: float) -> float:
        """E (x·y / dim + 1)³ for independent x and y with the means a and b in each coordinate."""
        first = dim * a * b
        second = dim * (1 + a**2) * (1 + b**2) + dim * (dim - 1) * (a * b) ** 2
        third = dim * (a**3 + 3 * a) * (b**3 + 3 * b) + 3 * dim * (dim - 1) * (1 + a**2) * (1 + b**2) * a * b
        third += dim * (dim - 1) * (dim - 2) * (a * b) ** 3
        return third / dim**3 + 3 * second / dim**2 + 3 * first / dim + 1

    return expected(shift, shift) + expected(other_shift, other_shift) - 2 * expected(shift, other_shift)


class TestKernelDistance:
    def test_it_is_the_papers_formula(self) -> None:
        x, y = drawn(4, 0), drawn(3, 1)
        assert kernel_distance(x, y) == pytest.approx(plain(x, y), rel=1e-9)
        assert kernel_distance(x.float(), y.float()) == pytest.approx(plain(x, y), rel=1e-5)

    def test_it_is_unbiased(self) -> None:
        """Many small samples of one distribution give 0 on average; the biased estimate would give about 3."""
        values = torch.tensor([kernel_distance(drawn(5, 2 * n), drawn(5, 2 * n + 1)) for n in range(2000)])
        assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
        assert values.std() / len(values) ** 0.5 < 0.1

    def test_it_is_what_the_moments_say(self) -> None:
        found = kernel_distance(drawn(1500, 0), drawn(1500, 1, 0.7))
        assert found == pytest.approx(true_distance(0.0, 0.7), rel=0.1)

    def test_it_grows_with_the_shift(self) -> None:
        distances = [kernel_distance(drawn(200, 0), drawn(200, 1, shift)) for shift in (0.0, 0.5, 1.0)]
        assert distances[0] < distances[1] < distances[2]

    def test_one_picture_is_too_few(self) -> None:
        with pytest.raises(UserError, match="1 and 3"):
            kernel_distance(drawn(1, 0), drawn(3, 1))

    def test_features_of_two_networks_or_of_broken_pictures(self) -> None:
        with pytest.raises(UsageError, match=r"shapes \(4, 5\) and \(4, 6\)"):
            kernel_distance(drawn(4, 0), drawn(4, 1, dim=6))
        with pytest.raises(UsageError, match="not finite"):
            kernel_distance(drawn(4, 0), drawn(4, 1) * math.nan)


class TestEstimate:
    def test_the_standard_error_is_that_of_leaving_pictures_out(self) -> None:
        x, y = drawn(7, 0, 0.5), drawn(6, 1)
        found = kernel_distance_estimate(x, y)
        variance = 0.0
        for without in (
            [plain(torch.cat([x[:i], x[i + 1 :]]), y) for i in range(len(x))],
            [plain(x, torch.cat([y[:i], y[i + 1 :]])) for i in range(len(y))],
        ):
            variance += (len(without) - 1) * float(np.var(without))
        assert found.value == pytest.approx(plain(x, y), rel=1e-9)
        assert found.high - found.value == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-9)
        assert found.value - found.low == pytest.approx(found.high - found.value, rel=1e-9)

    @pytest.mark.parametrize("shift", [0.0, 0.4])
    def test_the_interval_holds_the_truth_as_often_as_it_says(self, shift: float) -> None:
        num_draws, truth = 300, true_distance(shift, 0.0)
        found = [kernel_distance_estimate(drawn(60, 2 * n, shift), drawn(60, 2 * n + 1)) for n in range(num_draws)]
        held = sum(one.low <= truth <= one.high for one in found) / num_draws
        assert held >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / num_draws)

    def test_three_pictures_at_least(self) -> None:
        with pytest.raises(UserError, match="3 and 2") as caught:
            kernel_distance_estimate(drawn(3, 0), drawn(2, 1))
        assert "3 of each" in str(caught.value)


class TestPerPicture:
    def test_the_mean_is_the_distance(self) -> None:
        x, y = drawn(9, 0, 0.3), drawn(6, 1)
        values = kernel_distance_per_picture(x, y)
        assert values.shape == (9,)
        assert values.mean() == pytest.approx(plain(x, y), rel=1e-9)

    def test_pictures_unlike_the_real_ones_contribute_more(self) -> None:
        x = torch.cat([drawn(40, 0), drawn(40, 2, 1.0)])
        values = kernel_distance_per_picture(x, drawn(80, 1))
        assert values[40:].mean() > values[:40].mean() + 1


class TestSubsets:
    def test_torch_fidelity(self) -> None:
        metric = pytest.importorskip("torch_fidelity.metric_kid")
        x, y = drawn(60, 0, 0.5, dim=16), drawn(50, 1, dim=16)
        expected = metric.kid_features_to_metric(x, y, kid_subsets=20, kid_subset_size=30, rng_seed=7, verbose=False)
        found = kernel_distance_subsets(x, y, num_subsets=20, subset_size=30, seed=7)
        assert found.mean == pytest.approx(expected[metric.KEY_METRIC_KID_MEAN], rel=1e-6)
        assert found.std == pytest.approx(expected[metric.KEY_METRIC_KID_STD], rel=1e-6)

    def test_of_all_pictures_they_are_the_plain_estimate(self) -> None:
        x, y = drawn(6, 0), drawn(6, 1)
        found = kernel_distance_subsets(x, y, num_subsets=3, subset_size=6, seed=0)
        assert found.mean == pytest.approx(plain(x, y), rel=1e-9)
        assert found.std == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize("size", [1, 51])
    def test_a_size_that_cannot_be(self, size: int) -> None:
        with pytest.raises(UserError, match=f"Subsets of {size} pictures cannot be drawn from 60 and 50") as caught:
            kernel_distance_subsets(drawn(60, 0), drawn(50, 1), subset_size=size, seed=0)
        assert "of 2 to 50" in str(caught.value)


def tf_gan_blocks(real: np.ndarray, fake: np.ndarray, max_block_size: int) -> tuple[float, float]:
    """The block estimator from TF-GAN's description: equal blocks, the rest spread over the last ones, Bessel's n-1."""
    num_blocks = -(-max(len(real), len(fake)) // max_block_size)
    cuts = [[i * len(side) // num_blocks for i in range(num_blocks + 1)] for side in (real, fake)]
    for side, cut in zip((real, fake), cuts, strict=True):
        short = len(side) // num_blocks
        num_short = num_blocks - len(side) % num_blocks
        cut[:] = [min(i, num_short) * short + max(i - num_short, 0) * (short + 1) for i in range(num_blocks + 1)]
    values = []
    for block in range(num_blocks):
        r = real[cuts[0][block] : cuts[0][block + 1]]
        g = fake[cuts[1][block] : cuts[1][block + 1]]
        kernel = (np.concatenate([r, g]) @ np.concatenate([r, g]).T / r.shape[1] + 1) ** 3
        sign = np.r_[np.full(len(r), 1 / len(r)), np.full(len(g), -1 / len(g))]
        weights = np.outer(sign, sign)
        for start, count in ((0, len(r)), (len(r), len(g))):
            square = np.s_[start : start + count, start : start + count]
            weights[square] = (1 - np.eye(count)) / (count * (count - 1))
        values.append(float((weights * kernel).sum()))
    mean = sum(values) / num_blocks
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (num_blocks - 1) / num_blocks)


class TestBlocks:
    @pytest.mark.parametrize(("num_real", "num_fake"), [(40, 40), (43, 37), (21, 33)])
    def test_tf_gans_estimator(self, num_real: int, num_fake: int) -> None:
        real, fake = drawn(num_real, 0), drawn(num_fake, 1, 0.5)
        found = kernel_distance_blocks(real, fake, max_block_size=10)
        value, error = tf_gan_blocks(real.numpy(), fake.numpy(), 10)
        assert found.value == pytest.approx(value, rel=1e-9)
        assert found.standard_error == pytest.approx(error, rel=1e-9)

    def test_one_block_is_the_plain_estimate_and_has_no_error(self) -> None:
        found = kernel_distance_blocks(drawn(6, 0), drawn(5, 1), max_block_size=10)
        assert found.value == pytest.approx(plain(drawn(6, 0), drawn(5, 1)), rel=1e-9)
        assert math.isnan(found.standard_error)

    def test_sides_that_differ_too_much(self) -> None:
        with pytest.raises(UserError, match="100 and 15 pictures cannot be cut into 10 blocks of 10"):
            kernel_distance_blocks(drawn(100, 0), drawn(15, 1), max_block_size=10)


class TestMeanKernelDistance:
    def test_both_versions_of_the_authors(self) -> None:
        fake, target, source = drawn(30, 0, 0.5), drawn(28, 1), drawn(31, 2, 2.0)
        to_target, to_source = (tf_gan_blocks(real.numpy(), fake.numpy(), 10) for real in (target, source))
        average = mean_kernel_distance(fake, target, source, alpha=None)
        assert average.value == pytest.approx((to_target[0] + to_source[0]) / 2, rel=1e-9)
        assert average.standard_error == pytest.approx((to_target[1] + to_source[1]) / 2, rel=1e-9)
        later = mean_kernel_distance(fake, target, source, alpha=UGATIT_ALPHA)
        assert later.value == pytest.approx((0.02 * to_target[0] + 0.98 * to_source[0]) / 2, rel=1e-9)
        assert later.standard_error == pytest.approx((0.02 * to_target[1] + 0.98 * to_source[1]) / 2, rel=1e-9)

    def test_it_prefers_a_model_that_does_nothing(self) -> None:
        """Why it is only good for comparing with published tables."""
        source, target = drawn(60, 0), drawn(60, 1, 2.0)
        unchanged, perfect = drawn(60, 3), drawn(60, 4, 2.0)
        scores = [mean_kernel_distance(x, target, source, alpha=UGATIT_ALPHA).value for x in (unchanged, perfect)]
        assert scores[0] < scores[1]
