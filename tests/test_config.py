from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpaired.config import (
    DataConfig,
    Override,
    RunConfig,
    compose,
    load,
    override,
    parse_value,
    to_dict,
    to_yaml,
    validate,
)
from unpaired.config_fields import fields_of, type_in_words
from unpaired.errors import Problem, UsageError
from unpaired.evaluation.config import EvaluationConfig
from unpaired.losses.config import FaceConfig, LossesConfig, PerceptualConfig
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MixupConfig, MunitConfig, WeightsConfig
from unpaired.models.ugatit.config import DiscriminatorConfig as UgatitDiscriminatorConfig
from unpaired.models.ugatit.config import GeneratorConfig as UgatitGeneratorConfig
from unpaired.models.ugatit.config import UgatitConfig
from unpaired.models.ugatit.config import WeightsConfig as UgatitWeightsConfig
from unpaired.schedules import is_ever_positive

WEIGHTS = st.floats(0, 1e6)
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))  # YAML folds exotic line breaks
SCHEDULES = st.dictionaries(st.integers(0, 10**7), WEIGHTS, min_size=1).map(lambda d: tuple(sorted(d.items())))


def any_of(cls: type, **given_fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Instances of the config class `cls`: `given_fields` as given, every other field whatever its type allows."""
    hints = get_type_hints(cls, include_extras=True)
    left = [f.name for f in dataclasses.fields(cls) if f.name not in given_fields]
    return st.builds(cls, **{name: of_type(hints[name]) for name in left}, **given_fields)


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field with the type `hint`; infinite numbers fit the types, but the validator refuses them."""
    if dataclasses.is_dataclass(hint):
        return any_of(hint)
    return st.from_type(hint).filter(lambda value: not (isinstance(value, float) and math.isinf(value)))


GENERATORS = any_of(
    GeneratorConfig,
    dim=st.integers(1, 32).map(lambda n: 8 * n),  # what group norm needs
    num_downsamples=st.integers(1, 4),
)
DISCRIMINATORS = any_of(
    DiscriminatorConfig,
    dim=st.integers(1, 32).map(lambda n: 8 * n),
    num_layers=st.integers(1, 5),
    num_scales=st.integers(1, 4),
)
MUNIT = any_of(
    MunitConfig,
    generator=GENERATORS,
    discriminator=DISCRIMINATORS,
    weights=any_of(WeightsConfig, **{f.name: WEIGHTS | SCHEDULES for f in dataclasses.fields(WeightsConfig)}),
    mixup=st.none() | any_of(MixupConfig, alpha=st.floats(0, 1e6, exclude_min=True)),
)
UGATIT = any_of(
    UgatitConfig,
    generator=any_of(UgatitGeneratorConfig, light=st.just(True), size=st.none(), rho_max=st.just(1.0)),
    discriminator=any_of(
        UgatitDiscriminatorConfig, num_layers_global=st.integers(3, 7), num_layers_local=st.integers(3, 7)
    ),
    weights=any_of(
        UgatitWeightsConfig, **{f.name: WEIGHTS | SCHEDULES for f in dataclasses.fields(UgatitWeightsConfig)}
    ),
)
FACE = any_of(FaceConfig, weight_ab=WEIGHTS | SCHEDULES, weight_ba=WEIGHTS | SCHEDULES)
LOSSES = any_of(
    LossesConfig,
    face=st.none() | FACE,
    perceptual=st.none() | any_of(PerceptualConfig, weight=WEIGHTS | SCHEDULES),
)


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    model = draw(MUNIT | UGATIT)
    sides = st.integers(1, 8).map(lambda n: n * max(model.size_multiple, model.smallest_size()))
    folders = dict.fromkeys(("a", "b", "test_a", "test_b"), st.none() | NAMES)
    data = draw(any_of(DataConfig, size=st.tuples(sides, sides), **folders))
    needs_several = isinstance(model, MunitConfig) and is_ever_positive(model.weights.style_prior)
    config: RunConfig = draw(
        any_of(
            RunConfig,
            model=st.just(model),
            data=st.just(data),
            losses=LOSSES,
            batch_size=st.integers(2 if needs_several else 1, 64),
            evaluation=any_of(EvaluationConfig, metrics=st.lists(NAMES).map(tuple), best=NAMES),
        )
    )
    return config


def composed(base: RunConfig, **how: Any) -> RunConfig:
    config, problems = compose(base, **how)
    assert problems == []
    assert config is not None
    return config


def problems_of(**how: Any) -> list[Problem]:
    _, problems = compose(RunConfig(), **how)
    return problems


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "config.yaml"


@given(config=configs())
def test_a_saved_config_loads_as_the_same_config(config: RunConfig, file: Path) -> None:
    file.write_text(to_yaml(config), encoding="utf-8")
    assert load(file) == config


@given(config=configs())
def test_plain_dicts_validate_as_the_same_config(config: RunConfig) -> None:
    assert validate(RunConfig, to_dict(config), "header") == config


@given(text=st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_any_text_is_a_config_or_a_usage_error(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    try:
        problems = () if isinstance(load(file), RunConfig) else None
    except UsageError as error:
        problems = error.problems
    assert problems is not None
    assert all(str(file) in problem.message for problem in problems)


def test_later_sources_win(file: Path) -> None:
    file.write_text("steps: 10\nbatch_size: 2\nmodel:\n  generator: {dim: 8}\n", encoding="utf-8")
    config = composed(
        RunConfig(seed=5), file=file, sets=["steps=20", "batch_size=3"], flags=[Override("steps", 30, "--steps")]
    )
    assert (config.seed, config.batch_size, config.steps, config.model.generator.dim) == (5, 3, 30, 8)


def test_untouched_settings_keep_the_values_of_the_base() -> None:
    base = RunConfig(model=MunitConfig(generator=GeneratorConfig(dim=16, num_res_blocks=2)))
    config = composed(base, sets=["model.generator.dim=24"])
    assert config.model.generator == GeneratorConfig(dim=24, num_res_blocks=2)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("optimizer.lr_generator=1e-4", "optimizer.lr_generator", 1e-4),
        ("data.size=[64, 128]", "data.size", (64, 128)),
        ("data.resize=286", "data.resize", 286),
        ("data.resize=stretch", "data.resize", "stretch"),
        ("data.flip=false", "data.flip", False),
        ("data.workers=null", "data.workers", None),
        ("model.weights.cycle=[[0, 1.0], [80000, 0.3]]", "model.weights.cycle", ((0, 1.0), (80_000, 0.3))),
        ("model.mixup={alpha: 0.4}", "model.mixup", MixupConfig(alpha=0.4)),
        ("model.mixup.alpha=0.3", "model.mixup", MixupConfig(alpha=0.3)),
        (" steps = 7", "steps", 7),
    ],
)
def test_set(text: str, path: str, value: object) -> None:
    found: Any = composed(RunConfig(), sets=[text])
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("text", "names", "hint"),
    [
        ("steps=-5", ["steps", "-5"], "int >= 1"),
        ("steps=many", ["steps", "'many'"], "int >= 1"),
        ("ema_decay=1.0", ["ema_decay", "1.0"], ">= 0 and < 1"),
        ("precision=fp16", ["precision", "'fp16'"], "auto | fp32 | bf16"),
        ("optimizer.lr_generator=.inf", ["optimizer.lr_generator", "inf"], "float > 0"),
        ("model.weights.cycle=.nan", ["model.weights.cycle", "nan"], "float >= 0"),
        ("data.size=64", ["data.size", "64"], "[int >= 1, int >= 1]"),
        ("data.size=[64, 64, 3]", ["data.size"], "[int >= 1, int >= 1]"),
        ("data.background=[0, 0, 256]", ["data.background"], "<= 255"),
        ("model.generator.style_dims=8", ["model.generator.style_dims"], 'Did you mean "model.generator.style_dim"?'),
        ("style_dim=8", ["style_dim"], "Did you mean model.generator.style_dim?"),
        ("stps=8", ["stps"], 'Did you mean "steps"?'),
        ("nonsense.of.mine=8", ["nonsense.of.mine"], "`unpaired config` lists all settings."),
        ("steps", ["--set steps"], "--set model.generator.dim=32"),
        ("data.size=[64", ["--set data.size=[64"], "Quote it"),
        ("data.size=[66, 70]", ["66x70", "multiples of 4"], "64x68 or 68x72"),
        ("data.size=[32, 32]", ["32x32", "64"], "Use 64x64;"),
        ("model.weights.cycle=[[5, 1.0], [5, 2.0]]", ["model.weights.cycle"], "growing steps"),
    ],
)
def test_wrong_values_are_named_with_the_way_out(text: str, names: list[str], hint: str) -> None:
    (problem,) = problems_of(sets=[text])
    for name in names:
        assert name in problem.message
    assert hint in problem.hint


def test_problems_of_all_sources_are_reported_together(file: Path) -> None:
    file.write_text("stepz: 5\ndata: {size: [0, 64]}\n", encoding="utf-8")
    found = problems_of(
        file=file,
        sets=["batch_size=none", "modl=munit"],
        flags=[Override("seed", -1, "--seed")],
    )
    text = "\n".join(problem.message for problem in found)
    for name in (f"{file}: stepz", f"{file}: data.size", "--set batch_size", "--set modl", "--seed"):
        assert name in text
    assert len(found) == 5


def test_earlier_problems_come_first() -> None:
    earlier = Problem("cats: there is no such folder")
    _, problems = override(RunConfig(), [Override("seed", -1, "--seed")], [earlier])
    assert [problem.message for problem in problems] == [earlier.message, "--seed: -1 is not allowed"]


def test_a_config_with_a_problem_between_fields_is_there_all_the_same() -> None:
    config, problems = compose(RunConfig(), sets=["data.size=[66, 70]"])
    assert config is not None
    assert config.data.size == (66, 70)
    assert len(problems) == 1


def test_a_flag_is_named_as_the_user_typed_it() -> None:
    (problem,) = problems_of(flags=[Override("batch_size", 0, "--batch")])
    assert problem.message == "--batch: 0 is not allowed"


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"steps: [1, 2", "is not valid YAML"),
        (b"- 1\n- 2\n", "holds no settings"),
        (b"", "holds no settings"),
        (b"\xff\xfe\x00steps", "cannot be read"),
        (b"1: 2\n", "unknown setting"),
        (b"data: 5\n", "data"),
    ],
)
def test_bad_files_are_named(content: bytes, seen: str, file: Path) -> None:
    file.write_bytes(content)
    found = problems_of(file=file)
    assert str(file) in found[0].message
    assert seen in found[0].message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (problem,) = problems_of(file=tmp_path / "absent.yaml")
    assert "absent.yaml" in problem.message


def test_an_empty_section_in_a_file_changes_nothing(file: Path) -> None:
    file.write_text("steps: 3\nmodel: {}\n", encoding="utf-8")
    assert composed(RunConfig(), file=file) == RunConfig(steps=3)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("3", 3), ("true", True), ("[1, 2]", [1, 2]), ("abc", "abc"), ("null", None), ("1.5", 1.5)],
)
def test_parse_value(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_every_setting_is_documented_and_typed_in_words() -> None:
    for path, kind, _, doc in fields_of(RunConfig):
        assert doc.strip(), path
        assert doc.endswith("."), path
        assert "typing" not in kind, path
        assert "Annotated" not in kind, path


def test_type_in_words() -> None:
    hints = get_type_hints(DataConfig, include_extras=True)
    assert type_in_words(hints["size"]) == "[int >= 1, int >= 1]"
    assert type_in_words(hints["flip"]) == "true | false"
    assert type_in_words(hints["resize"]) == "cover | stretch | none | int >= 1"
    assert type_in_words(hints["workers"]) == "int >= 0 | null"


def test_configs_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().steps = 5  # type: ignore[misc]


class TestSeveralModels:
    """The section `model` has the settings of the model that its name says."""

    def test_another_name_brings_that_models_defaults(self) -> None:
        config = composed(RunConfig(), sets=["model.name=ugatit", "model.generator.light=true"])
        assert config.model == UgatitConfig(generator=UgatitGeneratorConfig(light=True))

    def test_the_full_model_takes_the_size_of_the_pictures(self) -> None:
        config = composed(RunConfig(), sets=["model.name=ugatit", "data.size=[128, 192]"])
        assert config.model.generator.size == (128, 192)

    def test_settings_of_the_other_model_are_unknown(self) -> None:
        problems = problems_of(sets=["model.name=ugatit", "model.generator.light=true", "model.generator.style_dim=4"])
        assert [p.message for p in problems] == ["--set model.generator.style_dim: unknown setting"]

    def test_a_wrong_value_is_reported_once_for_the_model_that_is_meant(self) -> None:
        problems = problems_of(sets=["model.name=ugatit", "model.generator.dim=-1"])
        assert [p.message for p in problems] == ["--set model.generator.dim: -1 is not allowed"]

    def test_an_unknown_model_is_named_with_all_that_there_are(self) -> None:
        problems = problems_of(sets=["model.name=stargan"])
        assert [p.message for p in problems] == ["--set model.name: 'stargan' is not allowed"]
        assert "munit | ugatit" in problems[0].hint

    def test_unknown_keys_in_a_file_are_found_for_every_model(self, file: Path) -> None:
        file.write_text("model:\n  name: ugatit\n  generator: {lite: true, light: true}\n", encoding="utf-8")
        problems = problems_of(file=file)
        assert len(problems) == 1
        assert "model.generator.lite: unknown setting" in problems[0].message

    def test_a_section_that_is_off_is_switched_on_by_one_of_its_settings(self) -> None:
        assert RunConfig().losses.face is None
        assert composed(RunConfig(), sets=["losses.face.weight_ab=5"]).losses.face == FaceConfig(weight_ab=5.0)

    def test_schedules_of_losses_have_to_grow(self) -> None:
        problems = problems_of(sets=["losses.face.weight_ab=[[10, 1.0], [5, 2.0]]"])
        assert "losses.face.weight_ab" in problems[0].message
