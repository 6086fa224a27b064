from __future__ import annotations

import pytest

from unpaired.errors import Problem, UsageError, UserError, did_you_mean, raise_if_any


def test_a_problem_is_shown_with_its_way_out() -> None:
    assert str(Problem("a.png: is torn", "Copy it again.")) == "a.png: is torn\n  Copy it again."
    assert str(Problem("a.png: is torn")) == "a.png: is torn"


def test_no_problem_raises_nothing() -> None:
    raise_if_any([])


def test_all_problems_are_reported_together_and_in_order() -> None:
    problems = [Problem("first", "do this"), Problem("second"), Problem("third", "do that")]
    with pytest.raises(UsageError) as caught:
        raise_if_any(problems)
    assert caught.value.problems == tuple(problems)
    assert str(caught.value) == "first\n  do this\nsecond\nthird\n  do that"
    assert caught.value.args == (str(caught.value),)


def test_exit_codes_tell_a_wrong_call_from_a_failure() -> None:
    assert UserError("disk full").exit_code == 1
    assert UsageError("no such flag").exit_code == 2
    assert UserError.of([Problem("x")]).exit_code == 1
    assert UsageError.of([Problem("x")]).exit_code == 2


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("trian", 'Did you mean "train"?'),
        ("translat", 'Did you mean "translate"?'),
        ("xyz", "Choose one of: data, train, translate."),
    ],
)
def test_did_you_mean(word: str, answer: str) -> None:
    assert did_you_mean(word, ["translate", "train", "data"]) == answer


def test_did_you_mean_without_options_says_nothing() -> None:
    assert did_you_mean("x", []) == ""
