"""Processors to choose by."""

from __future__ import annotations

import pytest

from unpaired.layers import products


@pytest.fixture
def usual_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """One on which no library multiplies much faster than another."""
    monkeypatch.setattr(products, "is_wide_amd", lambda: False)
