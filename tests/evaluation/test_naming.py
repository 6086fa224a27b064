from __future__ import annotations

from pathlib import Path

import pytest

from unpaired.evaluation.naming import file_name, names_of


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["runs/0001-x"], ["0001-x"]),
        (["runs/x/checkpoints/last.safetensors"], ["x"]),
        (["runs/x", "runs/x/checkpoints/step-00001000.safetensors"], ["x", "x step-00001000"]),
        (["first/out", "second/out"], ["first/out", "second/out"]),
        (["first/out", "first/out"], ["first/out (1)", "first/out (2)"]),
        (["bundle/model.safetensors"], ["bundle"]),
    ],
)
def test_names_of(models: list[str], names: list[str]) -> None:
    assert names_of([Path(model) for model in models]) == names


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("x step-1", [], "x_step-1"),
        ("../ä?*", [], "model"),
        ("Run", ["run"], "Run_2"),
        ("run", ["run", "run_2"], "run_3"),
        ("a" * 200, [], "a" * 80),
    ],
)
def test_file_name(name: str, taken: list[str], expected: str) -> None:
    assert file_name(name, taken) == expected
