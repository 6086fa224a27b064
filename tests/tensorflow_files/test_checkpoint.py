from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_writer as writer
from hypothesis import given
from hypothesis import strategies as st

from unpaired.errors import UserError
from unpaired.tensorflow_files.checkpoint import find_prefix, read_checkpoint

GOLDEN = Path(__file__).parent.parent / "golden" / "tensorflow_files"
PLAIN = GOLDEN / "plain" / "model.ckpt-3"
INDEX = (GOLDEN / "plain" / "model.ckpt-3.index").read_bytes()
DATA = (GOLDEN / "plain" / "model.ckpt-3.data-00000-of-00001").read_bytes()
EXPECTED = dict(np.load(GOLDEN / "expected_checkpoint.npz"))

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda name: name[0] != "\0")
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
DTYPES = st.sampled_from(sorted(writer.DTYPES))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    shutil.copytree(GOLDEN / "plain", tmp_path / "copy")
    return tmp_path / "copy" / "model.ckpt-3"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints") / "model"


def put(prefix: Path, index: bytes, data: bytes) -> Path:
    prefix.with_name(f"{prefix.name}.index").write_bytes(index)
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    return prefix


class TestWhatTensorFlowWrote:
    @pytest.mark.parametrize("case", ["plain/model.ckpt-3", "two_shards/model.ckpt"])
    def test_every_tensor_is_read(self, case: str) -> None:
        found = read_checkpoint(GOLDEN / case)
        assert sorted(found) == sorted(EXPECTED)
        for name, array in EXPECTED.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)

    def test_only_what_is_wanted_is_read(self, copied: Path) -> None:
        found = read_checkpoint(GOLDEN / "two_shards" / "model.ckpt", lambda name: name.startswith("network/layer_1"))
        assert len(found) == 11
        copied.with_name(f"{copied.name}.data-00000-of-00001").unlink()
        assert read_checkpoint(copied, lambda name: name == "nothing like that") == {}

    def test_the_writer_of_these_tests_writes_the_same_bytes(self, tmp_path: Path) -> None:
        writer.write_checkpoint(tmp_path / "model", EXPECTED)
        assert (tmp_path / "model.data-00000-of-00001").read_bytes() == DATA
        assert (tmp_path / "model.index").read_bytes() == INDEX

    def test_slices_are_refused(self) -> None:
        with pytest.raises(UserError, match=r"model\.ckpt\.index.*rows is stored in slices"):
            read_checkpoint(GOLDEN / "sliced" / "model.ckpt")


@given(tensors=st.dictionaries(NAMES, st.tuples(DTYPES, SHAPES), max_size=40))
def test_what_is_written_is_read(tensors: dict[str, tuple[str, tuple[int, ...]]], place: Path) -> None:
    arrays = {
        name: (np.arange(np.prod(shape, dtype=int)) + number).reshape(shape).astype(dtype)
        for number, (name, (dtype, shape)) in enumerate(tensors.items())
    }
    writer.write_checkpoint(place, arrays)
    found = read_checkpoint(place)
    assert sorted(found) == sorted(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


class TestWhichCheckpoint:
    @pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00001", ".meta"])
    def test_any_of_its_files_names_it(self, ending: str) -> None:
        assert find_prefix(PLAIN.with_name(PLAIN.name + ending)) == PLAIN

    @pytest.mark.parametrize("folder", ["plain", "two_shards"])
    def test_a_folder_with_and_without_the_file_that_names_it(self, folder: str) -> None:
        prefix = find_prefix(GOLDEN / folder)
        assert prefix.name == ("model.ckpt-3" if folder == "plain" else "model.ckpt")

    def test_the_file_that_names_it_decides_between_several(self, copied: Path) -> None:
        writer.write_checkpoint(copied.with_name("model.ckpt-9"), {})
        assert find_prefix(copied.parent) == copied

    @pytest.mark.parametrize("named", ["/elsewhere/on/disk/model.ckpt-3", r"C:\\runs\\model.ckpt-3", "model.ckpt-3"])
    def test_a_folder_that_moved(self, copied: Path, named: str) -> None:
        writer.write_checkpoint(copied.with_name("other"), {})
        (copied.parent / "checkpoint").write_text(f'model_checkpoint_path: "{named}"\n', encoding="utf-8")
        assert find_prefix(copied.parent) == copied

    @pytest.mark.parametrize("content", [b"", b'model_checkpoint_path: "gone"\n', b"\xff\x00 garbage"])
    def test_the_only_one_is_taken_when_the_file_does_not_help(self, copied: Path, content: bytes) -> None:
        (copied.parent / "checkpoint").write_bytes(content)
        assert find_prefix(copied.parent) == copied

    def test_several_are_named(self, copied: Path) -> None:
        writer.write_checkpoint(copied.with_name("model.ckpt-9"), {})
        (copied.parent / "checkpoint").unlink()
        with pytest.raises(UserError, match=r"holds 2 TensorFlow checkpoints: model\.ckpt-3, model\.ckpt-9"):
            find_prefix(copied.parent)

    def test_none_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="holds no TensorFlow checkpoint"):
            find_prefix(tmp_path)
        with pytest.raises(UserError, match=r"absent\.index: there is no such file"):
            find_prefix(tmp_path / "absent")


class TestDamage:
    def test_a_missing_data_file(self, copied: Path) -> None:
        copied.with_name(f"{copied.name}.data-00000-of-00001").unlink()
        with pytest.raises(UserError, match=r"data-00000-of-00001: there is no such file, and .* lies in it"):
            read_checkpoint(copied)

    def test_a_torn_data_file(self, copied: Path) -> None:
        put(copied, INDEX, DATA[:-1])
        with pytest.raises(UserError, match=rf"is torn: {len(DATA) - 1} of at least {len(DATA)} bytes"):
            read_checkpoint(copied)

    @given(position=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
    def test_every_flipped_bit_of_the_data(self, position: int, bit: int, place: Path) -> None:
        data = bytearray(DATA)
        data[position] ^= 1 << bit
        with pytest.raises(UserError, match=r"data-00000-of-00001: is damaged: the checksum of \S+ is wrong"):
            read_checkpoint(put(place, INDEX, data))

    @given(cut=st.integers(1, len(INDEX)), garbage=st.binary(max_size=60))
    def test_a_torn_index(self, cut: int, garbage: bytes, place: Path) -> None:
        torn = INDEX[:-cut] + garbage[: cut - 1]
        with pytest.raises(UserError, match=r"model\.index: is torn or not the index of a TensorFlow checkpoint"):
            read_checkpoint(put(place, torn, DATA))

    @given(content=st.binary(max_size=300))
    def test_any_other_file(self, content: bytes, place: Path) -> None:
        with pytest.raises(UserError, match=r"model\.index: is torn or not"):
            read_checkpoint(put(place, content, DATA))

    @given(content=st.binary(max_size=200))
    def test_garbage_before_a_good_footer(self, content: bytes, place: Path) -> None:
        with pytest.raises(UserError, match=r"model\.index"):
            read_checkpoint(put(place, content + INDEX[-48:], DATA))

    @given(pairs=st.dictionaries(st.binary(max_size=8), st.binary(max_size=40), max_size=6))
    def test_garbage_with_good_checksums(self, pairs: dict[bytes, bytes], place: Path) -> None:
        """Whatever a table says of its tensors: they are read, or it is refused."""
        index = writer.table(sorted({b"": writer.HEADER, **pairs}.items()))
        try:
            read_checkpoint(put(place, index, DATA))
        except UserError as error:
            assert str(place) in str(error)  # noqa: PT017  either outcome is right

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            (writer.number(1, 1) + writer.field(2, writer.field(2, writer.number(1, 2**62))), "a tensor of shape"),
            (writer.number(1, 1) + writer.field(2, writer.field(2, writer.number(1, 2**64 - 1))), "a tensor of shape"),
            (writer.number(1, 1) + writer.number(5, 8), r"8 bytes for weight of shape \(\)"),
            (
                writer.number(1, 1) + writer.number(3, 2**40) + writer.number(5, 4),
                "lies in data file 1099511627776 of 1",
            ),
            (
                writer.number(1, 1) + writer.number(4, 2**63) + writer.number(5, 4),
                r"is torn: \d+ of at least \d+ bytes",
            ),
            (b"\x0b", "a field of unknown kind 3"),
            (b"\x08" + b"\xff" * 11, "a number of more than 10 bytes"),
        ],
    )
    def test_what_an_entry_cannot_say(self, entry: bytes, reason: str, place: Path) -> None:
        index = writer.table([(b"", writer.HEADER), (b"weight", entry)])
        with pytest.raises(UserError, match=reason):
            read_checkpoint(put(place, index, DATA))

    def test_big_endian_and_headless_tables(self, place: Path) -> None:
        with pytest.raises(UserError, match="big-endian"):
            read_checkpoint(put(place, writer.table([(b"", writer.HEADER + b"\x10\x01")]), DATA))
        with pytest.raises(UserError, match="no header"):
            read_checkpoint(put(place, writer.table([(b"weight", b"")]), DATA))
