"""`unpaired config`: every setting with its type, value and meaning; the presets; a preset as a file to start from."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import Annotated, Any

from cyclopts import Parameter

from unpaired.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Setting:
    """One setting or section: its dotted path, the type in words, its value in a preset, one line about it."""

    path: str
    kind: str
    value: Any
    doc: str

    @property
    def is_section(self) -> bool:
        """Whether it holds other settings."""
        return self.kind == "section"


def show(
    field: str | None = None,
    /,
    *,
    preset: str = "munit",
    yaml: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """List every setting and every preset, or explain one setting.

    Settings are given to `unpaired train` as --set PATH=VALUE, or as a YAML file with --config.

    Parameters
    ----------
    field
        A setting such as model.generator.dim, or a section such as data. All of them when left out.
    preset
        The preset whose values are shown.
    yaml
        Print the whole preset as YAML: a config file to start from.
    """
    config = _preset(preset)
    if yaml:
        print(_as_file(preset, config), end="")
        return
    lines = _explanation(field, preset, config) if field else [*_overview(settings_of(config), preset), "", *_presets()]
    width = max(40, get_terminal_size().columns)
    print("\n".join(_wrapped(line, width) for line in lines))


def settings_of(config: Any) -> list[Setting]:
    """Every setting and section of the run config `config`, with the values that it has."""
    from unpaired.config import RunConfig, to_dict
    from unpaired.config_fields import fields_of

    plain = to_dict(config)
    found = []
    for path, kind, default, doc in fields_of(RunConfig, plain):
        value = _value_at(plain, path.split("."), default)
        found.append(Setting(path, kind, value, doc))
    return found


def _preset(name: str) -> Any:
    from unpaired.presets import PRESETS

    if name not in PRESETS:
        raise UsageError(f"--preset {name}: there is no such preset", did_you_mean(name, PRESETS))
    return PRESETS[name]()


def _value_at(plain: Mapping[str, Any], keys: list[str], default: Any) -> Any:
    """What `plain` holds below `keys`; `default` inside a section that is off."""
    value: Any = plain
    for key in keys:
        if value is None:
            return default
        value = value[key]
    return value


def _overview(settings: list[Setting], preset: str) -> Iterator[str]:
    yield f"SETTINGS, with the values of the preset {preset} (--set PATH=VALUE, or YAML with --config FILE)"
    for setting in settings:
        if setting.is_section:
            yield ""
            yield f"{setting.path}:{' off (null);' if setting.value is None else ''} {setting.doc}"
        else:
            yield f"  {setting.path} = {_text(setting.value)}"
            yield f"      {setting.doc} ({setting.kind})"


def _presets() -> Iterator[str]:
    from unpaired.presets import PRESETS

    yield "PRESETS (--preset NAME)"
    width = max(len(name) for name in PRESETS)
    for name, make in PRESETS.items():
        yield f"  {name:{width}}  {_first_line(make.__doc__)}"


def _explanation(field: str, preset: str, config: Any) -> Iterator[str]:
    from unpaired.config_fields import did_you_mean_path

    settings = {setting.path: setting for setting in settings_of(config)}
    if field not in settings:
        raise UsageError(f"{field}: there is no such setting", did_you_mean_path(field, list(settings)))
    setting = settings[field]
    if setting.is_section:
        yield from _overview([s for s in settings.values() if f"{s.path}.".startswith(f"{field}.")], preset)
        return
    yield f"{field}: {setting.doc}"
    values = {"takes": setting.kind, **{name: _text(value) for name, value in _values_by_preset(field).items()}}
    column = max(len(name) for name in values)
    for name, text in values.items():
        yield f"  {name:{column}}  {text}"
    yield f"Change it with --set {field}={_text(setting.value)}"


def _values_by_preset(field: str) -> dict[str, Any]:
    """The default of `field`, and its value in those presets that have another one."""
    from unpaired.config import RunConfig
    from unpaired.presets import PRESETS

    configs = {"default": RunConfig(), **{name: make() for name, make in PRESETS.items()}}
    values = {name: next(s.value for s in settings_of(c) if s.path == field) for name, c in configs.items()}
    return {name: value for name, value in values.items() if name == "default" or value != values["default"]}


def _as_file(preset: str, config: Any) -> str:
    from unpaired.config import to_yaml
    from unpaired.presets import PRESETS

    return f"# Preset {preset}: {_first_line(PRESETS[preset].__doc__)}\n{to_yaml(config)}"


def _wrapped(line: str, width: int) -> str:
    """`line` broken to `width` columns, its continuation indented as the text after its first gap."""
    gap = re.search(r"\S {2,}(?=\S)", line)
    indent = gap.end() if gap else len(line) - len(line.lstrip())
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _first_line(doc: str | None) -> str:
    assert doc, "every preset is documented"
    return doc.strip().splitlines()[0]


def _text(value: Any) -> str:
    """`value` as YAML on one line."""
    import yaml

    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").rstrip("\n")
