"""`unpaired import`: a checkpoint of a reference code becomes a bundle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unpaired.errors import Problem, UserError, did_you_mean, raise_if_any

if TYPE_CHECKING:
    from unpaired.inference.bundle import Bundle
    from unpaired.models.base import ImportedModel


def import_checkpoint(
    model: Annotated[str, Parameter(help="The model: munit or ugatit.")],
    source: Annotated[Path, Parameter(help="The reference's file of the generators, such as gen_00350000.pt.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Bundle folder to make.")],
    config: Annotated[Path | None, Parameter(help="The reference's YAML file; without it sizes are inferred.")] = None,
    dis: Annotated[Path | None, Parameter(help="The reference's file of the discriminators, to train on.")] = None,
) -> None:
    """Turn a checkpoint of a model's reference code into a bundle. Nothing in the file is run."""
    from unpaired.inference.bundle import write_bundle
    from unpaired.training.commands import quoted
    from unpaired.training.logs import say

    imported = _import(model, source, config, dis, out)
    bundle = _bundle(imported, source)
    write_bundle(bundle, out)
    for line in (*imported.found, *(f"note: {note}" for note in imported.notes)):
        say(line)
    say(f"Wrote {out}. To use it: unpaired translate {quoted(out)} PICTURE --to b")


def _import(model: str, source: Path, config: Path | None, dis: Path | None, out: Path) -> ImportedModel:
    """The imported model. Raises one error with everything that is wrong with the call."""
    from unpaired.inference.bundle import bundle_folder_problem
    from unpaired.models import MODELS

    problems = bundle_folder_problem(out)
    if model not in MODELS:
        problems.append(Problem(f"{model}: there is no such model", did_you_mean(model, MODELS)))
        raise_if_any(problems)
    try:
        imported = MODELS[model].load_importer()(source, config=config, discriminators=dis)
    except UserError as error:
        problems += error.problems
    raise_if_any(problems)
    return imported


def _bundle(imported: ImportedModel, source: Path) -> Bundle:
    from importlib.metadata import version

    from unpaired.inference.bundle import Bundle
    from unpaired.inference.facts import FORMAT, BundleConfig, DomainNames, PicturesConfig

    data = imported.data
    facts = BundleConfig(
        format=FORMAT,
        model=imported.config,
        data=PicturesConfig(size=data.size, resize=data.resize, background=data.background),
        weights="raw",
        step=_step_in_name(source),
        domains=DomainNames(a="a", b="b"),
        source=f"reference checkpoint {source.name}",
        versions={"unpaired": version("unpaired"), "torch": version("torch")},
    )
    return Bundle(facts, imported.generators, imported.discriminators)


def _step_in_name(source: Path) -> int | None:
    """The number of updates, which the reference writes into the names of its files."""
    match = re.search(r"(\d{8,})$", source.stem)
    return int(match[1]) if match else None
