"""Weights of tensorflow.js: what is written by its rules is read back."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpaired.errors import UserError
from unpaired.pretrained.tfjs import read_weights

LEVELS = {"uint8": 255, "uint16": 65535}


def write(folder: Path, tensors: dict[str, tuple[np.ndarray[Any, Any], str]], num_files: int = 1) -> Path:
    """A manifest of one group that holds `tensors` (values, how they are stored), its bytes cut into `num_files`."""
    stream, entries = b"", []
    for name, (values, stored) in tensors.items():
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "float32"}
        if stored == "float16":
            entry["quantization"] = {"dtype": stored}
            stream += values.astype("<f2").tobytes()
        elif stored in LEVELS:
            low, high = float(values.min()), float(values.max())
            scale = (high - low) / LEVELS[stored] or 1.0
            entry["quantization"] = {"dtype": stored, "scale": scale, "min": low}
            stream += np.rint((values - low) / scale).astype({"uint8": "u1", "uint16": "<u2"}[stored]).tobytes()
        else:
            stream += values.astype("<f4").tobytes()
        entries.append(entry)
    cuts = np.linspace(0, len(stream), num_files + 1).astype(int)
    paths = [f"part{i}.bin" for i in range(num_files)]
    for path, (start, end) in zip(paths, pairwise(cuts), strict=True):
        (folder / path).write_bytes(stream[start:end])
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps([{"paths": paths, "weights": entries}]), encoding="utf-8")
    return manifest


@given(
    shapes=st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=1, max_size=4),
    stored=st.lists(st.sampled_from(["uint8", "uint16", "float16", "float32"]), min_size=4, max_size=4),
    num_files=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_what_is_written_is_read(
    shapes: list[list[int]], stored: list[str], num_files: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    tensors = {f"t{i}": (rng.uniform(-1, 1, shape), how) for i, (shape, how) in enumerate(zip(shapes, stored))}  # noqa: B905
    found = read_weights(write(tmp_path_factory.mktemp("tfjs"), tensors, num_files))
    assert list(found) == list(tensors)
    for name, (values, how) in tensors.items():
        tolerance = {"uint8": 2 / 255 / 2, "uint16": 2 / 65535 / 2, "float16": 1e-3, "float32": 1e-7}[how]
        assert (found[name].dtype, found[name].shape) == (np.float32, values.shape)
        np.testing.assert_allclose(found[name], values, atol=tolerance * 1.01)


def test_something_else(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    for text in ("no json", "{}x", "[1]", '[{"weights": []}]', '[{"paths": [], "weights": [{"dtype": "complex"}]}]'):
        manifest.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="is not a weights manifest"):
            read_weights(manifest)
    with pytest.raises(UserError, match="is not a weights manifest"):
        read_weights(tmp_path / "nothing.json")


@pytest.mark.parametrize("change", [-1, 1])
def test_too_few_or_too_many_bytes(change: int, tmp_path: Path) -> None:
    manifest = write(tmp_path, {"a": (np.zeros((2, 2)), "float32")})
    (tmp_path / "part0.bin").write_bytes(bytes(16 + change))
    with pytest.raises(UserError, match=f"need 16 bytes, its files hold {16 + change}"):
        read_weights(manifest)
