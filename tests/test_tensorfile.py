from __future__ import annotations

import errno
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from unpaired import tensorfile
from unpaired.errors import UserError

HEADER = {"kind": "test", "step": 3, "config": {"größe": [1, 2]}}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: name != "__metadata__")
SHAPES = st.lists(st.integers(0, 4), max_size=3)
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8])


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape, dtype = draw(SHAPES), draw(DTYPES)
    return (torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))) * 9).abs().to(dtype)


@pytest.fixture(scope="module")
def shared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tensorfile") / "file.safetensors"


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """A good file in a folder of its own; whatever goes wrong later, it has to stay like this."""
    path = tmp_path / "last.safetensors"
    tensorfile.write(path, {"weight": torch.full((4,), 7.0)}, HEADER)
    return path


def assert_still_whole(path: Path) -> None:
    header, read = tensorfile.read(path)
    assert header == HEADER
    assert torch.equal(read["weight"], torch.full((4,), 7.0))
    assert [p.name for p in path.parent.iterdir()] == [path.name], "something partial was left behind"


@given(
    named=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda n: n != "__metadata__"), tensors()
    ),
    header=st.dictionaries(st.text(), JSON),
)
def test_what_is_written_is_read(named: dict[str, torch.Tensor], header: dict[str, Any], shared_file: Path) -> None:
    tensorfile.write(shared_file, named, header)
    read_header, read = tensorfile.read(shared_file)
    assert read_header == header
    assert set(read) == set(named)
    for name, tensor in named.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)
    assert tensorfile.read_header(shared_file) == header


def test_views_and_graph_tensors_are_written_as_plain_values(tmp_path: Path) -> None:
    base = torch.arange(6.0).reshape(2, 3).requires_grad_()
    tensorfile.write(tmp_path / "f", {"transposed": base.t(), "doubled": base * 2}, {})
    _, read = tensorfile.read(tmp_path / "f")
    assert torch.equal(read["transposed"], base.detach().t())
    assert torch.equal(read["doubled"], base.detach() * 2)


def test_only_wanted_tensors_are_read(tmp_path: Path) -> None:
    tensorfile.write(tmp_path / "f", {"ema.w": torch.ones(1), "generators.w": torch.zeros(1)}, {})
    _, read = tensorfile.read(tmp_path / "f", lambda name: name.startswith("ema."))
    assert list(read) == ["ema.w"]
    assert list(tensorfile.under(read, "ema.")) == ["w"]


def test_folders_are_made(tmp_path: Path) -> None:
    tensorfile.write(tmp_path / "a" / "b" / "f", {}, HEADER)
    assert tensorfile.read_header(tmp_path / "a" / "b" / "f") == HEADER


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.safetensors: there is no such file"):
        tensorfile.read(tmp_path / "absent.safetensors")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        tensorfile.read(tmp_path)


@given(cut=st.integers(1, 399), garbage=st.binary(max_size=8))
def test_a_torn_file_is_named(cut: int, garbage: bytes, shared_file: Path) -> None:
    tensorfile.write(shared_file, {"weight": torch.zeros(64)}, HEADER)
    whole = shared_file.read_bytes()
    assert len(whole) > 399
    torn = shared_file.with_name("torn.safetensors")
    torn.write_bytes(whole[:-cut] + garbage[: cut - 1])
    with pytest.raises(UserError, match=r"torn\.safetensors: is torn or not a safetensors file"):
        tensorfile.read(torn)


@given(content=st.binary(max_size=300))
def test_any_other_file_is_refused(content: bytes, shared_file: Path) -> None:
    foreign = shared_file.with_name("foreign.safetensors")
    foreign.write_bytes(content)
    with pytest.raises(UserError, match=r"foreign\.safetensors"):
        tensorfile.read(foreign)


def test_a_foreign_safetensors_file_is_told_from_ours(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="was not written by unpaired") as caught:
        tensorfile.read(tmp_path / "other.safetensors")
    assert "unpaired import" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", "5", '"x"'])
def test_a_header_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "odd.safetensors", metadata={"unpaired": text})
    with pytest.raises(UserError, match=r"odd\.safetensors"):
        tensorfile.read(tmp_path / "odd.safetensors")


def test_a_size_in_the_header_that_is_not_there_is_refused(tmp_path: Path) -> None:
    entry = {"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}, "__metadata__": {"unpaired": "{}"}}
    text = json.dumps(entry).encode()
    (tmp_path / "huge").write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(UserError, match="huge"):
        tensorfile.read(tmp_path / "huge")


def write_some(path: Path) -> Callable[[Path], None]:
    def write(temporary: Path) -> None:
        assert temporary.parent == path.parent, "a rename is atomic only on one disk"
        temporary.write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    return write


def test_a_full_disk_leaves_the_old_file_whole(old_file: Path) -> None:
    with pytest.raises(UserError) as caught:
        tensorfile.replace_file(old_file, write_some(old_file), num_bytes=3 * 2**20)
    (problem,) = caught.value.problems
    assert f"{old_file}: no space left for 3.0 MiB" in problem.message
    assert "Free space" in problem.hint
    assert "--out" in problem.hint
    assert_still_whole(old_file)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_a_cut_of_any_kind_leaves_the_old_file_whole(old_file: Path, error: type[BaseException]) -> None:
    def cut(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise error

    with pytest.raises(error):
        tensorfile.replace_file(old_file, cut, num_bytes=4)
    assert_still_whole(old_file)


def test_a_failed_rename_leaves_the_old_file_whole(old_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UserError, match="cannot be written"):
        tensorfile.write(old_file, {"weight": torch.zeros(4)}, {})
    assert_still_whole(old_file)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written") as caught:
        tensorfile.write(tmp_path / "file" / "last.safetensors", {}, {})
    assert "--out" in str(caught.value)


WRITE_WITH_A_LIMIT = """
import resource, signal, sys
from pathlib import Path
import torch
from unpaired import tensorfile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
tensorfile.write(Path(sys.argv[1]), {"weight": torch.zeros(10_000)}, {})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to test with")
def test_a_limit_of_the_system_leaves_the_old_file_whole(old_file: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WRITE_WITH_A_LIMIT, str(old_file)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "unpaired.errors.UserError" in ran.stderr.splitlines()[-2]
    assert_still_whole(old_file)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_file_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    tensorfile.write(tmp_path / "x.safetensors", {"t": torch.ones(1)}, {})
    (tmp_path / "usual").touch()
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "usual").stat().st_mode
