"""Errors that a person can cause and mend.

`UserError` is for everything that has a way out; it is shown without a traceback. Bugs of our own are `assert`s.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what it is (with the file or flag and the value seen) and the way out."""

    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UserError(Exception):
    """One or several problems that the user can solve. `exit_code` is what the command line returns."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.problems: tuple[Problem, ...] = (Problem(message, hint),)
        super().__init__(str(self))

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> UserError:
        """An error that reports all `problems` together, in their order."""
        assert problems, "an error needs at least one problem"
        error = cls(problems[0].message, problems[0].hint)
        error.problems = tuple(problems)
        error.args = (str(error),)
        return error


class UsageError(UserError):
    """The call itself was wrong: nothing has been started or written."""

    exit_code = 2


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raise one `UsageError` that names every problem; do nothing when there is none."""
    if problems:
        raise UsageError.of(problems)


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`Did you mean "…"?` for the option nearest to `word`, else the list of options (empty when there are none)."""
    known = sorted(set(options))
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Choose one of: {', '.join(known)}." if known else ""
