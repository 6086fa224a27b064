"""Named tensors and a JSON header in one safetensors file, written so that a cut never leaves a broken file behind.

Used for checkpoints and bundles. Nothing in such a file can run code when it is read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unpaired.errors import UserError

_HEADER_KEY = "unpaired"


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write `tensors` and `header` to `path`; an older file at `path` stays whole until the new one is complete.

    Raises `UserError` when the disk is full or the folder cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in plain.values())
    metadata = {_HEADER_KEY: json.dumps(dict(header), ensure_ascii=False)}
    replace_file(path, lambda temporary: save_file(plain, temporary, metadata=metadata), num_bytes)


def replace_file(path: Path, write_to: Callable[[Path], None], num_bytes: int) -> None:
    """Let `write_to` fill a temporary file beside `path`, force it to the disk and put it in the place of `path`.

    `num_bytes` is the size to name when it does not fit. Raises `UserError`; what was at `path` is then still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        usual_mode = temporary.stat().st_mode
        write_to(temporary)
        temporary.chmod(usual_mode)  # safetensors makes files that only their owner can read
        _flush_to_disk(temporary)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise write_error(path, num_bytes, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_header(path: Path) -> dict[str, Any]:
    """The header of the file at `path`. Raises `UserError` when the file is missing, torn or not ours."""
    return read(path, lambda _: False)[0]


def read(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors (on the CPU) whose names are `wanted` of the file at `path`.

    Raises `UserError` when the file is missing, torn or not ours.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file", "Check the path, or name another run or bundle.")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = _parse_header(file.metadata(), path)
            tensors = {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: is torn or not a safetensors file ({error})", "Use an earlier file.") from error
    return header, tensors


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _parse_header(metadata: Mapping[str, str] | None, path: Path) -> dict[str, Any]:
    try:
        header = json.loads((metadata or {})[_HEADER_KEY])
    except (KeyError, ValueError):
        header = None
    if not isinstance(header, dict):
        raise UserError(f"{path}: was not written by unpaired", "To read a reference checkpoint: unpaired import.")
    return header


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_error(path: Path, num_bytes: int, error: Exception) -> UserError:
    """What to raise when writing `num_bytes` to `path` failed with `error`: names a full disk and the way out."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    if full:
        size = f" for {num_bytes / 2**20:.1f} MiB" if num_bytes >= 2**20 // 10 else ""
        return UserError(
            f"{path}: no space left{size}; what was saved before is untouched",
            "Free space on that disk, or write elsewhere with --out.",
        )
    return UserError(f"{path}: cannot be written ({error})", "Choose another folder with --out.")
