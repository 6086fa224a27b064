"""Numbers that were typed after a flag."""

from __future__ import annotations

import re

from unpaired.errors import Problem


def whole_number(
    flag: str, text: str | None, lowest: int, highest: int, problems: list[Problem], what: str = "a whole number"
) -> int | None:
    """The number that was typed as `text`; None, and a problem, when it is none of `lowest` to `highest`."""
    if text is None:
        return None
    if re.fullmatch(r"[+-]?\d{1,30}", text, re.ASCII) and lowest <= int(text) <= highest:
        return int(text)
    problems.append(Problem(f"{flag} {text}: is not allowed", f"It takes {what}, from {lowest:,} to {highest:,}."))
    return None
