"""The README's table from the paper to the code points at what it names."""

import re
from pathlib import Path

import unpaired.models.ugatit

README = Path(unpaired.models.ugatit.__file__).parent / "README.md"
REFERENCE = re.compile(r"\[`([\w.]+):(\d+)`\]\((\S+?)#L(\d+)\) `([^`]+)`")


def test_every_line_of_the_table_points_at_what_it_names():
    references = REFERENCE.findall(README.read_text(encoding="utf-8"))
    assert len(references) > 15
    wrong = []
    for name, number, link, anchor, text in references:
        lines = (README.parent / link).read_text(encoding="utf-8").splitlines()
        right = [index for index, line in enumerate(lines, 1) if text in line]
        if int(number) not in right or number != anchor or Path(link).name != name:
            wrong.append(f"{name}:{number} should be {right} for {text!r}")
    assert not wrong, "\n".join(wrong)
