"""The configuration of a run: its fields, how it is read, merged and explained. Imports no torch.

One validator reads presets' overrides, YAML files, `--set`, command-line flags and the file saved in a run folder.
All problems of one call are collected and reported together, each under the name the user typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import yaml
from annotated_types import Gt, Interval

from unpaired.config_fields import did_you_mean_path, fields_of, section_kind, section_kinds
from unpaired.errors import Problem, raise_if_any
from unpaired.evaluation.config import EvaluationConfig
from unpaired.losses.config import LossesConfig
from unpaired.models import ModelConfig
from unpaired.models.munit.config import MunitConfig
from unpaired.settings import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    Pixels,
    PositiveInt,
    forbid_unknown,
    setting,
)

LearningRate = Annotated[float, Gt(0.0)]
Byte = Annotated[int, Interval(ge=0, le=255)]
Beta = Annotated[float, Interval(ge=0.0, lt=1.0)]
MODEL_NAME = "model.name"


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which pictures, and how they become training pictures."""

    a: str | None = setting(None, "Folder with the training pictures of domain a, searched with its sub-folders.")
    b: str | None = setting(None, "Folder with the training pictures of domain b.")
    test_a: str | None = setting(None, "Folder with held-out pictures of domain a, for sample grids; null for none.")
    test_b: str | None = setting(None, "Folder with held-out pictures of domain b.")
    size: tuple[Pixels, Pixels] = setting(
        (256, 256), "Height and width, in pixels, of the pictures that are trained on."
    )
    resize: Literal["cover", "stretch", "none"] | Pixels = setting(
        "cover",
        "Before the crop: cover = keep the shape and just cover the size; stretch = ignore the shape; "
        "none; or a number of pixels for the shorter side (new_size of the reference).",
    )
    margin: NonNegativeInt = setting(0, "Pixels added to the size that cover and stretch aim at, for the random crop.")
    flip: bool = setting(True, "Mirror half of the pictures.")
    background: tuple[Byte, Byte, Byte] = setting(
        (255, 255, 255), "Colour (red, green, blue) behind transparent parts."
    )
    workers: NonNegativeInt | None = setting(None, "Processes that load pictures; null chooses.")
    cache_mib: NonNegativeInt = setting(1024, "Decoded pictures are kept in memory when all fit into this many MiB.")
    skip_bad: bool = setting(False, "Leave out pictures that cannot be read instead of stopping.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Two Adams: one for both generators, one for all discriminators."""

    lr_generator: LearningRate = setting(1e-4, "Learning rate of the generators.")
    lr_discriminator: LearningRate = setting(1e-4, "Learning rate of the discriminators.")
    betas: tuple[Beta, Beta] = setting((0.5, 0.999), "Adam's decay rates of the two moments.")
    weight_decay: NonNegativeFloat = setting(1e-4, "L2 penalty inside Adam, on every parameter.")
    decay: Literal["all", "kernels"] = setting(
        "all", "Which weights decay: all, or the kernels of convolutions and linear layers alone."
    )
    schedule: Literal["step", "linear", "constant"] = setting(
        "step",
        "step: multiply the learning rates by gamma regularly; linear: keep them for the first half of the run, then "
        "lower them straight to 0.",
    )
    step_size: PositiveInt = setting(100_000, "Updates between two changes of the learning rate.")
    gamma: Annotated[float, Interval(gt=0.0, le=1.0)] = setting(
        0.5, "Factor of each change of the learning rate by the schedule step."
    )


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class SamplesConfig:
    """Sample grids during training."""

    every_steps: PositiveInt = setting(1000, "Steps between sample grids.")
    num_inputs: PositiveInt = setting(8, "Pictures of each domain in a sample grid.")
    num_styles: PositiveInt = setting(6, "Styles of each picture in a sample grid.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class CheckpointsConfig:
    """Saved states to resume from."""

    every_steps: PositiveInt = setting(1000, "Steps between saves of the last checkpoint.")
    snapshot_every_steps: PositiveInt | None = setting(10_000, "Steps between snapshots that stay; null for none.")
    keep: PositiveInt = setting(5, "Snapshots kept; the oldest goes when there are more.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """Numbers written during training."""

    every_steps: PositiveInt = setting(10, "Steps between lines of metrics.jsonl; each holds means since the last.")
    tensorboard: bool = setting(True, "Write TensorBoard files too.")


@forbid_unknown
@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that a run depends on."""

    steps: PositiveInt = setting(1_000_000, "Updates of each network in the whole run.")
    batch_size: PositiveInt = setting(1, "Pictures of each domain in a step, of all processes together.")
    seed: NonNegativeInt = setting(0, "Seed of weights, order, augmentation, noise and samples.")
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", "Where to compute; auto takes the fastest there is."
    )
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "auto", "Arithmetic of the networks; auto is bf16 on a CUDA device that has it and fp32 elsewhere."
    )
    less_memory: bool = setting(
        False, "Need less memory: make the two directions of a step one after the other, a little more slowly."
    )
    recompute: bool = setting(
        False, "Need less memory, much more slowly: of the generators' passes keep their ends, compute the rest again."
    )
    ema_decay: Fraction = setting(0.999, "Decay of the moving average of the generators; 0 for none.")
    self_check: bool = setting(
        True, "Try two steps, a sample grid, a save and a load before a run of 200 steps or more."
    )
    data: DataConfig = setting(DataConfig(), "The pictures.")
    model: ModelConfig = setting(MunitConfig(), "The networks and losses.")
    losses: LossesConfig = setting(LossesConfig(), "Losses with pretrained networks, which go with every model.")
    optimizer: OptimizerConfig = setting(OptimizerConfig(), "The optimizers and the learning rate.")
    samples: SamplesConfig = setting(SamplesConfig(), "Sample grids during training.")
    checkpoints: CheckpointsConfig = setting(CheckpointsConfig(), "Saved states to resume from.")
    evaluation: EvaluationConfig = setting(EvaluationConfig(), "Measurements during training.")
    log: LogConfig = setting(LogConfig(), "Numbers written during training.")

    @property
    def saves_memory(self) -> bool:
        """Whether it is more important to need little memory than to be fast."""
        return self.less_memory or self.recompute

    def fitted(self) -> RunConfig:
        """This config with the settings of the model that follow from others, such as the size of the pictures."""
        return replace(self, model=self.model.at_size(self.data.size))

    def problems(self) -> list[Problem]:
        """What is wrong between fields that are each valid alone."""
        model = [*self.model.problems(self.data.size), *self.model.batch_problems(self.batch_size)]
        return [*model, *self.losses.problems()]


@dataclass(frozen=True)
class Override:
    """One value that replaces another: the dotted `path` of the field, the `value` and how the user named it."""

    path: str
    value: Any
    source: str


def to_dict(config: Any) -> dict[str, Any]:
    """`config` as plain dicts, lists and scalars, as YAML and JSON take them."""
    plain: dict[str, Any] = _adapter(type(config)).dump_python(config, mode="json")
    return plain


def to_yaml(config: Any) -> str:
    """`config` as YAML text, in the order of the fields."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def compose(
    base: RunConfig, *, file: Path | None = None, sets: Sequence[str] = (), flags: Sequence[Override] = ()
) -> tuple[RunConfig, list[Problem]]:
    """`base`, overridden by a YAML `file`, then by `--set path=value` texts, then by `flags`; and all that is wrong.

    Where there are problems, the config has `base`'s values: use it to look for more of them, for nothing else.
    """
    overrides, problems = overrides_of(file=file, sets=sets, flags=flags)
    return override(base, overrides, problems)


def overrides_of(
    *, file: Path | None = None, sets: Sequence[str] = (), flags: Sequence[Override] = ()
) -> tuple[list[Override], list[Problem]]:
    """All overrides of a call in the order in which they apply, and what could not be read of them."""
    problems: list[Problem] = []
    overrides: list[Override] = []
    if file is not None:
        overrides += _file_overrides(file, problems)
    for text in sets:
        overrides += _set_override(text, problems)
    return [*overrides, *flags], problems


def override(
    base: RunConfig, overrides: Sequence[Override], earlier: Sequence[Problem] = ()
) -> tuple[RunConfig, list[Problem]]:
    """`base` with `overrides`, later ones winning, and the `earlier` problems with those that are found here.

    Where a value is not valid, the config has `base`'s: use it to look for more problems, for nothing else.
    """
    problems = list(earlier)
    known = [path for path, *_ in fields_of(RunConfig, _merged(base, [o for o in overrides if o.path == MODEL_NAME]))]
    unknown = [o for o in overrides if o.path not in known]
    problems += [Problem(f"{o.source}: unknown setting", did_you_mean_path(o.path, known)) for o in unknown]
    fitting = [o for o in overrides if o.path in known]
    wrong = _wrong_paths(base, fitting, problems)
    valid = [o for o in fitting if not any(path == o.path or path.startswith(f"{o.path}.") for path in wrong)]
    config: RunConfig = _adapter(RunConfig).validate_python(_merged(base, valid)).fitted()
    if not any(
        path.startswith(("model.", "losses.", "data.size", "batch_size")) for path in wrong
    ):  # else they would be about values not meant
        problems += config.problems()
    return config, problems


def load(path: Path) -> RunConfig:
    """The run config saved in the YAML file `path`. Raises `UsageError`."""
    config, problems = compose(RunConfig(), file=path)
    raise_if_any(problems)
    return config


def validate(cls: type, data: Any, source: str) -> Any:
    """An instance of the config class `cls` from plain `data`. Raises one `UsageError` naming `source`."""
    problems: list[Problem] = []
    value = _validated(cls, data, lambda path: f"{source}: {path}" if path else source, problems)
    raise_if_any(problems)
    return value


_adapters: dict[type, Any] = {}


def _adapter(cls: type) -> Any:
    """The validator of the config class `cls`, built once."""
    if cls not in _adapters:
        from pydantic import TypeAdapter

        _adapters[cls] = TypeAdapter(cls)
    return _adapters[cls]


def _file_overrides(file: Path, problems: list[Problem]) -> list[Override]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(f"{file}: cannot be read ({error})", "Give a YAML file."))
        return []
    except yaml.YAMLError as error:
        problems.append(Problem(f"{file}: is not valid YAML ({_one_line(error)})", "Mend that place."))
        return []
    if not isinstance(data, Mapping):
        problems.append(Problem(f"{file}: holds no settings", "Write `key: value` lines; see `unpaired config`."))
        return []
    return [Override(path, value, f"{file}: {path}") for path, value in _leaves(data)]


def _leaves(data: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _set_override(text: str, problems: list[Problem]) -> list[Override]:
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        problems.append(
            Problem(f"--set {text}: is not of the form path=value", "For example --set model.generator.dim=32")
        )
        return []
    try:
        return [Override(path.strip(), parse_value(value), f"--set {path.strip()}")]
    except yaml.YAMLError:
        problems.append(Problem(f"--set {text}: the value is not valid YAML", "Quote it, or write a plain value."))
        return []


def parse_value(text: str) -> Any:
    """The value that `text` stands for in YAML (numbers such as 1e-4 too). Raises `yaml.YAMLError`."""
    value = yaml.safe_load(text)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _wrong_paths(base: RunConfig, overrides: Sequence[Override], problems: list[Problem]) -> set[str]:
    """The settings whose new values are not allowed, each of which is added to `problems`."""
    sources = {override.path: override.source for override in overrides}
    wrong: set[str] = set()
    _validated(RunConfig, _merged(base, overrides), lambda path: _source(path, sources), problems, wrong)
    return wrong


def _merged(base: RunConfig, overrides: Sequence[Override]) -> dict[str, Any]:
    data = to_dict(base)
    for name in (override.value for override in overrides if override.path == MODEL_NAME):
        if name != data["model"]["name"]:
            data["model"] = {"name": name}  # the other settings are another model's
    for override in overrides:
        _put(data, override.path.split("."), override.value)
    return data


def _put(data: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    data[keys[-1]] = value


def _source(path: str, sources: Mapping[str, str]) -> str:
    """How the user named the field `path` (or a part of it, such as one number of a list)."""
    for known in sorted(sources, key=len, reverse=True):
        if path == known or path.startswith(f"{known}."):
            return sources[known]
    return path


def _validated(
    cls: type, data: Any, name: Callable[[str], str], problems: list[Problem], wrong: set[str] | None = None
) -> Any:
    """An instance of `cls`, or None with the `problems` of all fields, whose paths are added to `wrong`."""
    from pydantic import ValidationError

    seen = set() if wrong is None else wrong
    try:
        return _adapter(cls).validate_python(data)
    except ValidationError as error:
        known = {path: (kind, doc) for path, kind, _, doc in fields_of(cls, data)}
        for detail in error.errors():
            location = _location(cls, data, detail["loc"])
            path = _field_path(known, location)
            if location and path not in seen:  # a union reports once for each of its members
                seen.add(path)
                problems.append(_problem(known, path, detail, name))
        return None


def _location(cls: type, data: Any, location: Sequence[Any]) -> list[str]:
    """pydantic's error `location` in `data` without names of classes; empty where it is about a kind not meant."""
    found: list[str] = []
    rest = [str(part) for part in location]
    while rest:
        hints = get_type_hints(cls, include_extras=True)
        found.append(rest.pop(0))
        data = data.get(found[-1]) if isinstance(data, Mapping) else None
        kinds = section_kinds(hints.get(found[-1]))
        if not kinds:
            return found + rest
        cls = section_kind(kinds, data)
        if len(kinds) > 1 and rest and rest.pop(0) != cls.__name__:
            return []
    return found


def _field_path(known: Mapping[str, tuple[str, str]], location: Sequence[str]) -> str:
    """The longest part of an error's `location` that is a setting's path; the whole for unknown keys."""
    for end in range(len(location), 0, -1):
        path = ".".join(location[:end])
        if path in known:
            unknown_key = end < len(location) and known[path][0] == "section"
            return ".".join(location) if unknown_key else path
    return ".".join(location)


def _problem(known: Mapping[str, tuple[str, str]], path: str, detail: Any, name: Callable[[str], str]) -> Problem:
    if path not in known:
        return Problem(f"{name(path)}: unknown setting", did_you_mean_path(path, list(known)))
    kind, doc = known[path]
    if detail["type"] == "missing":
        return Problem(f"{name(path)}: is missing", f"It takes {kind}. {doc}")
    return Problem(f"{name(path)}: {detail['input']!r} is not allowed", f"It takes {kind}. {doc}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
