"""Each model's README points, from the paper to the code, at what it names."""

import re
from pathlib import Path

import pytest

import unpaired.models
from unpaired.models import MODELS

REFERENCE = re.compile(r"\[`([\w.]+):(\d+)`\]\((\S+?)#L(\d+)\) `([^`]+)`")


@pytest.mark.parametrize("model", MODELS)
def test_every_line_of_the_table_points_at_what_it_names(model):
    readme = Path(unpaired.models.__file__).parent / model / "README.md"
    references = REFERENCE.findall(readme.read_text(encoding="utf-8"))
    assert len(references) > 15
    wrong = []
    for name, number, link, anchor, text in references:
        lines = (readme.parent / link).read_text(encoding="utf-8").splitlines()
        right = [index for index, line in enumerate(lines, 1) if text in line]
        if int(number) not in right or number != anchor or Path(link).name != name:
            wrong.append(f"{name}:{number} should be {right} for {text!r}")
    assert not wrong, "\n".join(wrong)
