import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unpaired.errors import UsageError
from unpaired.metrics.bootstrap import NUM_RESAMPLES
from unpaired.metrics.inception_score import (
    conditional_inception_score,
    conditional_inception_score_estimate,
    inception_score,
    inception_score_estimate,
)


def one_hot(labels: list[list[int]], num_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), num_classes).float()


def test_one_certain_answer_an_input_has_no_conditional_score_and_full_variety_over_the_inputs():
    p = one_hot([[0, 0], [1, 1], [2, 2], [3, 3]], 4)
    assert conditional_inception_score(p).mean_kl == pytest.approx(0, abs=1e-9)
    assert inception_score(p).mean_kl == pytest.approx(math.log(4))
    assert inception_score(p).exponential == pytest.approx(4)


def test_all_modes_for_every_input_reach_the_bound():
    p = one_hot([[0, 1, 2, 3]] * 5, 4)
    assert conditional_inception_score(p).mean_kl == pytest.approx(math.log(4))
    assert conditional_inception_score(p).exponential == pytest.approx(4)


def test_a_known_distribution_gives_the_closed_form():
    """Two translations with p = (q, 1 − q) and the reverse: each is ln 2 − H(q) from their mean."""
    q = 0.8
    p = torch.tensor([[[q, 1 - q], [1 - q, q]]])
    entropy = -(q * math.log(q) + (1 - q) * math.log(1 - q))
    assert conditional_inception_score(p).mean_kl == pytest.approx(math.log(2) - entropy, rel=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5), st.integers(2, 6))
def test_bounds_and_an_independent_computation(seed, num_inputs, num_styles, num_classes):
    p = np.random.default_rng(seed).dirichlet(np.full(num_classes, 0.3), size=(num_inputs, num_styles))
    found = torch.from_numpy(p)
    conditional, whole = conditional_inception_score(found), inception_score(found)
    assert -1e-9 <= conditional.mean_kl <= math.log(num_classes) + 1e-9
    assert conditional.mean_kl <= whole.mean_kl + 1e-9  # mixing over inputs can only add variety

    def entropy(q):
        return -(q * np.log(np.maximum(q, 1e-300))).sum(-1)

    of_means = entropy(p.mean(1)) - entropy(p).mean(1)  # mutual information as a difference of entropies
    np.testing.assert_allclose(conditional.per_input.numpy(), of_means, atol=1e-6)
    assert whole.mean_kl == pytest.approx(entropy(p.mean((0, 1))) - entropy(p).mean(), abs=1e-6)


def test_a_hundred_styles_of_known_modes():
    """Half of the inputs reach two modes, the others one; a classifier that is right with probability 0.9."""
    right, others = 0.9, 0.1 / 3
    of_mode = torch.full((4, 4), others).fill_diagonal_(right)
    p = torch.stack([of_mode[[0, 1] * 50], of_mode[[2] * 100]] * 3)
    mixed = [(right + others) / 2] * 2 + [others] * 2

    def entropy(q):
        return -sum(x * math.log(x) for x in q)

    certain = [right, *[others] * 3]
    assert conditional_inception_score(p).mean_kl == pytest.approx((entropy(mixed) - entropy(certain)) / 2, rel=1e-5)
    assert conditional_inception_score(p).per_input[1] == pytest.approx(0, abs=1e-9)


def test_intervals_are_those_of_resampled_inputs():
    p = torch.from_numpy(np.random.default_rng(0).dirichlet(np.full(3, 0.3), size=(12, 4)))
    whole, conditional = (e(p, seed=5) for e in (inception_score_estimate, conditional_inception_score_estimate))
    draws = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), size=NUM_RESAMPLES)
    again = [p[torch.from_numpy(np.repeat(np.arange(12), counts))] for counts in draws[:400]]
    assert whole.value == pytest.approx(inception_score(p).mean_kl)
    assert conditional.value == pytest.approx(conditional_inception_score(p).mean_kl)
    for found, score in ((whole, inception_score), (conditional, conditional_inception_score)):
        values = [score(sample).mean_kl for sample in again]
        assert np.percentile(values, 2.5) == pytest.approx(found.low, abs=0.03)
        assert np.percentile(values, 97.5) == pytest.approx(found.high, abs=0.03)


def test_a_class_that_never_occurs_adds_nothing():
    p = one_hot([[0, 1], [1, 1]], 3)
    assert inception_score_estimate(p, seed=0).value == pytest.approx(inception_score(p[..., :2]).mean_kl)


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (torch.randn(2, 3, 4), "apply softmax"),
        (torch.full((2, 3, 4), 0.5), "sums from 2"),
        (torch.full((2, 3, 4), math.nan), "apply softmax"),
        (torch.full((6, 4), 0.25), "inputs, styles, classes"),
    ],
)
def test_what_is_no_probability_is_refused(p, said):
    for score in (inception_score, conditional_inception_score):
        with pytest.raises(UsageError, match=said):
            score(p)
