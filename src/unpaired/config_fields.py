"""The settings below a config class: their paths, types in words, defaults and documentation. Imports no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from unpaired.errors import did_you_mean


def fields_of(cls: type, values: Any = None, prefix: str = "") -> Iterator[tuple[str, str, Any, str]]:
    """Every setting below the config class `cls`: dotted path, type in words, default, one line about it.

    Where a section has several kinds (the models), `values`, the plain data, tell by its `name` which one it is.
    """
    hints = get_type_hints(cls, include_extras=True)
    for item in dataclasses.fields(cls):
        path, hint = f"{prefix}{item.name}", hints[item.name]
        doc = item.metadata["doc"]
        inner = values.get(item.name) if isinstance(values, Mapping) else None
        kinds = section_kinds(hint)
        if not kinds:
            yield path, type_in_words(hint), item.default, doc
            continue
        yield path, "section", None, doc
        for field in fields_of(section_kind(kinds, inner), inner, f"{path}."):
            yield _with_all_names(field, kinds) if field[0] == f"{path}.name" else field


def section_kinds(hint: Any) -> list[type]:
    """The config classes that a field of type `hint` may hold: none for a plain setting."""
    candidates = [hint, *get_args(hint)]
    return [c for c in candidates if isinstance(c, type) and dataclasses.is_dataclass(c)]


def section_kind(kinds: Sequence[type], values: Any) -> type:
    """The one of the config classes `kinds` whose `name` the plain `values` have; the first when none has it."""
    name = values.get("name") if isinstance(values, Mapping) else None
    return next((kind for kind in kinds if getattr(kind, "name", None) == name), kinds[0])


def _with_all_names(field: tuple[str, str, Any, str], kinds: Sequence[type]) -> tuple[str, str, Any, str]:
    path, words, default, doc = field
    names = [getattr(kind, "name", words) for kind in kinds]
    return path, " | ".join(names), default, doc


def type_in_words(hint: Any) -> str:
    """What values the type `hint` allows, in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{type_in_words(args[0])}{_bounds_in_words(args[1:])}"
    if origin is Literal:
        return " | ".join(str(arg) for arg in args)
    if origin is tuple:
        return "[" + ", ".join("..." if arg is ... else type_in_words(arg) for arg in args) + "]"
    if args:
        return " | ".join(type_in_words(arg) for arg in args)
    return "null" if hint is type(None) else {"str": "text", "bool": "true | false"}.get(hint.__name__, hint.__name__)


def _bounds_in_words(metadata: Sequence[Any]) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [
        f"{sign} {getattr(m, key):g}" for m in metadata for key, sign in signs.items() if _bound(m, key) is not None
    ]
    return f" {' and '.join(found)}" if found else ""


def _bound(metadata: Any, key: str) -> float | None:
    return getattr(metadata, key, None)


def did_you_mean_path(path: str, known: Sequence[str]) -> str:
    """A hint for an unknown dotted `path`: a setting of that last name elsewhere, else the nearest one."""
    last = path.rpartition(".")[2]
    same_name = [option for option in known if option.rpartition(".")[2] == last]
    if same_name:
        return f"Did you mean {' or '.join(same_name)}?"
    return did_you_mean(path, known) if _is_near(path, known) else "`unpaired config` lists all settings."


def _is_near(path: str, known: Sequence[str]) -> bool:
    return did_you_mean(path, known).startswith("Did")
