"""Bring the line numbers in the equation tables of the models' READMEs up to date.

python tools/renumber_readmes.py

A row names a piece of text and links to the line that holds it. Where exactly one line does, the number is set; where
several or none do, the row is printed and left for a person.
"""

from __future__ import annotations

import re
from pathlib import Path

MODELS = Path(__file__).parents[1] / "src" / "unpaired" / "models"
REFERENCE = re.compile(r"\[`([\w.]+):(\d+)`\]\((\S+?)#L(\d+)\) `([^`]+)`")


def renumbered(readme: Path) -> str:
    """The text of `readme` with its line numbers set."""

    def point(match: re.Match[str]) -> str:
        name, number, link, _, text = match.groups()
        lines = (readme.parent / link).read_text(encoding="utf-8").splitlines()
        right = [index for index, line in enumerate(lines, 1) if text in line]
        if len(right) != 1:
            if int(number) not in right:
                print(f"{readme}: {text!r} is in lines {right} of {link}")
            return match.group(0)
        return f"[`{name}:{right[0]}`]({link}#L{right[0]}) `{text}`"

    return REFERENCE.sub(point, readme.read_text(encoding="utf-8"))


def main() -> None:
    """Rewrite every model's README."""
    for readme in sorted(MODELS.glob("*/README.md")):
        readme.write_text(renumbered(readme), encoding="utf-8")


if __name__ == "__main__":
    main()
