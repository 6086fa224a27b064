from __future__ import annotations

import pytest
from benchmarks.quality.rows import ROWS

from unpaired.config import Override, override
from unpaired.presets import PRESETS

PLAIN = ("faithful", "fast")


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_a_training_that_can_start(name: str) -> None:
    row = ROWS[name]
    preset = PRESETS[row.preset]()
    config, problems = override(preset, [Override(path, value, path) for path, value in row.settings.items()])
    assert problems == []
    assert (config == preset) == (name in PLAIN), "a row that changes nothing of its preset measures it twice"
