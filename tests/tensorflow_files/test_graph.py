from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow_writer as writer
from hypothesis import given
from hypothesis import strategies as st

from unpaired.errors import UserError
from unpaired.tensorflow_files.graph import read_constants

GOLDEN = Path(__file__).parent.parent / "golden" / "tensorflow_files"
FROZEN = (GOLDEN / "frozen.pb").read_bytes()
EXPECTED = dict(np.load(GOLDEN / "expected_frozen.npz"))
FLOAT, SHAPE_2_2 = writer.number(1, 1), writer.field(2, writer.field(2, b"\x08\x02") * 2)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs") / "graph.pb"


def constant(name: str, tensor: bytes) -> bytes:
    """A graph of one constant."""
    value = writer.field(1, b"value") + writer.field(2, writer.field(8, tensor))
    return writer.field(1, writer.field(1, name.encode()) + writer.field(2, b"Const") + writer.field(5, value))


def test_what_tensorflow_wrote() -> None:
    found = read_constants(GOLDEN / "frozen.pb")
    assert sorted(found) == sorted(EXPECTED)  # not the text, not the placeholder
    for name, array in EXPECTED.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (b"", [0, 0, 0, 0]),
        (b"\x2d\x00\x00\x80\x3f", [1, 1, 1, 1]),
        (b"\x2d\x00\x00\x80\x3f" + b"\x2d\x00\x00\x00\x40", [1, 2, 2, 2]),
        (writer.field(5, np.array([1, 2, 3, 4], "<f4").tobytes()), [1, 2, 3, 4]),
    ],
)
def test_lists_of_values(file: Path, values: bytes, expected: list[float]) -> None:
    file.write_bytes(constant("w", FLOAT + SHAPE_2_2 + values))
    np.testing.assert_array_equal(read_constants(file)["w"], np.array(expected, np.float32).reshape(2, 2))


@pytest.mark.parametrize(
    "tensor",
    [
        FLOAT + SHAPE_2_2 + writer.field(4, bytes(15)),
        FLOAT + SHAPE_2_2 + writer.field(5, bytes(20)),
        FLOAT + SHAPE_2_2 + writer.field(5, bytes(3)),
        FLOAT + writer.field(2, writer.field(2, writer.number(1, 2**31)) * 2),
        FLOAT + writer.field(2, writer.field(2, writer.number(1, 2**31 - 1))) + writer.field(5, bytes(8)),
    ],
    ids=["too few bytes", "too many values", "torn values", "absurd shape", "absurd repetition"],
)
def test_tensors_that_cannot_be(file: Path, tensor: bytes) -> None:
    file.write_bytes(constant("w", tensor))
    with pytest.raises(UserError, match=r"graph\.pb: is torn or not a frozen TensorFlow graph"):
        read_constants(file)


def test_a_large_tensor_of_one_value_takes_no_memory(file: Path) -> None:
    file.write_bytes(constant("w", FLOAT + writer.field(2, writer.field(2, writer.number(1, 2**31))) + bytes(0)))
    assert read_constants(file)["w"].strides == (0,)


@given(cut=st.integers(1, len(FROZEN)), garbage=st.binary(max_size=40))
def test_a_torn_graph_is_refused_or_shorter(cut: int, garbage: bytes, file: Path) -> None:
    """A graph has no end mark: one that is cut between two nodes is a shorter graph."""
    file.write_bytes(FROZEN[:-cut] + garbage[: cut - 1])
    try:
        assert len(read_constants(file)) <= len(EXPECTED) + 1
    except UserError as error:
        assert str(file) in str(error)  # noqa: PT017  either outcome is right


@given(content=st.binary(max_size=300))
def test_any_other_file_is_refused(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"graph\.pb"):
        read_constants(file)


def test_a_graph_without_constants_is_said(file: Path) -> None:
    file.write_bytes(writer.field(1, writer.field(1, b"input") + writer.field(2, b"Placeholder")))
    with pytest.raises(UserError, match="holds no weights"):
        read_constants(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.pb: there is no such file"):
        read_constants(tmp_path / "absent.pb")
