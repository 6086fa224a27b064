"""Short, different names for the models of a call: headings of columns and parts of file names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_LAST = "last"


def names_of(models: Sequence[Path]) -> list[str]:
    """A name for each of `models`, all different: the folder's, with the checkpoint's where a file is named."""
    short = [_name(path) for path in models]
    counts = Counter(short)
    longer = [
        "/".join([path.resolve().parent.name, name]) if counts[name] > 1 else name
        for path, name in zip(models, short, strict=True)
    ]
    return [
        name if longer.count(name) == 1 else f"{name} ({longer[:i].count(name) + 1})" for i, name in enumerate(longer)
    ]


def file_name(name: str, taken: Sequence[str] = ()) -> str:
    """`name` as a part of a file name: letters, digits, `-`, `_` and `.`; not one of `taken`."""
    plain = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._")[:80] or "model"
    folded = {other.lower() for other in taken}
    numbered = (plain if n == 1 else f"{plain}_{n}" for n in range(1, len(folded) + 2))
    return next(candidate for candidate in numbered if candidate.lower() not in folded)


def _name(path: Path) -> str:
    full = path.resolve()
    if full.suffix != ".safetensors":
        return full.name
    folder = full.parent.parent if full.parent.name == "checkpoints" else full.parent
    return folder.name if full.stem in (_LAST, "model") else f"{folder.name} {full.stem}"
