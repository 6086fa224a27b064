import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unpaired.metrics.inception_score import conditional_inception_score, inception_score


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


def test_logits_are_refused():
    with pytest.raises(AssertionError, match="add up to 1"):
        inception_score(torch.randn(2, 3, 4))
