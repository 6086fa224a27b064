"""A trained translator as files: its weights, what they are, and a model card.

A bundle folder holds `model.safetensors`, `config.json` and `README.md` (and `discriminators.safetensors` when they
were imported). Run folders and checkpoint files open to the same `Bundle`: whatever uses a model knows one type.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unpaired import demo, tensorfile
from unpaired.config import RunConfig, to_dict, validate
from unpaired.domain_names import domain_names
from unpaired.errors import Problem, UserError, did_you_mean, raise_if_any
from unpaired.inference.card import model_card
from unpaired.inference.facts import CONFIG_NAME, FORMAT, WEIGHTS_NAME, BundleConfig, DomainNames, PicturesConfig
from unpaired.models import MODELS, ModelConfig

DISCRIMINATORS_NAME = "discriminators.safetensors"
CARD_NAME = "README.md"
_NUM_KEYS_SHOWN = 3


@dataclass(frozen=True)
class Bundle:
    """The generators' weights (names as in `TranslationNetworks`' state dict) and what is known about them.

    `discriminators` are there when they were asked for and the files hold them.
    """

    config: BundleConfig
    weights: Mapping[str, Tensor]
    discriminators: Mapping[str, Tensor] | None = None

    def halved(self) -> Bundle:
        """The same with weights of 16 bits: half as large, and rounded to 3 decimal digits. They compute in 32 bits."""
        return replace(self, weights={name: tensor.half() for name, tensor in self.weights.items()})

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights: the same for a run's checkpoint and for the bundle made of it."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.weights.items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def build_networks(self) -> nn.Module:
        """The generators with these weights, on the CPU, in eval mode: a `TranslationNetworks` module."""
        with torch.device("meta"):  # no time is spent on drawing weights that are replaced at once
            networks = _generators(self.config.model)
        # assigned, not copied: filling tensors made without content would import sympy, a third of the start-up
        # of their own: where a file's tensors lie in memory decides the last bits of products on some processors
        own = {name: tensor.to(torch.float32, copy=True) for name, tensor in self.weights.items()}
        networks.load_state_dict(own, assign=True)
        return networks.eval().requires_grad_(False)


def check_fit(build: Callable[[], nn.Module], weights: Mapping[str, Tensor], source: Path) -> None:
    """Raise a `UserError` that names the first tensors of `source` whose name or shape is not that of the networks."""
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in build().state_dict().items()}
    differences = [f"{name} is missing" for name in expected if name not in weights]
    differences += [f"{name} is not known" for name in weights if name not in expected]
    differences += [
        f"{name} is {list(weights[name].shape)}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in weights and weights[name].shape != shape
    ]
    if differences:
        raise UserError(
            f"{source}: the weights do not fit the config in {len(differences)} tensors: "
            + "; ".join(differences[:_NUM_KEYS_SHOWN]),
            "Weights and config come from different models: put back the file that belongs to it.",
        )


def open_model(path: Path, *, raw: bool = False, with_discriminators: bool = False) -> Bundle:
    """The trained model at `path`: a run folder (its last checkpoint), a checkpoint file or a bundle folder.

    The path `demo`, where nothing is called so, stands for the model that comes with the package.
    The moving average of the weights is taken where there is one, the `raw` weights on request; discriminators, which
    only training needs, when they are asked for and there.
    Raises `UserError` when there is no model, or its files are torn, from elsewhere or do not fit together.
    """
    if str(path) == demo.MODEL and not path.exists():
        path = demo.model_folder()
    if path.is_file():
        return _open_file(path, raw, with_discriminators)
    if not path.exists():
        raise _missing(path)
    if (path / CONFIG_NAME).is_file():
        return read_bundle(path, raw, with_discriminators)
    if (path / "checkpoints").is_dir() or (path / "config.yaml").is_file():
        return _read_run(path, raw, with_discriminators)
    raise UserError(f"{path}: is neither a run folder nor a bundle", _way_out_of_folder(path))


def read_bundle(folder: Path, raw: bool = False, with_discriminators: bool = False) -> Bundle:
    """The bundle in `folder`. Raises `UserError` when its files are torn, do not fit or are not the `raw` weights."""
    config = validate(BundleConfig, _read_json(folder / CONFIG_NAME), str(folder / CONFIG_NAME))
    if raw and config.weights != "raw":
        raise UserError(
            f"{folder}: --raw: this bundle holds only the averaged ({config.weights}) weights",
            "Leave --raw out, or name the run folder that the bundle was made of.",
        )
    weights = _read_weights(folder / WEIGHTS_NAME, lambda: _generators(config.model))
    path = folder / DISCRIMINATORS_NAME
    if not (with_discriminators and path.exists()):
        return Bundle(config, weights)
    return Bundle(config, weights, _read_weights(path, lambda: _discriminators(config.model)))


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write `bundle` with its model card as the new folder `folder`, which appears only when it is complete.

    Raises `UsageError` when `folder` exists and holds something, `UserError` when it cannot be written.
    """
    raise_if_any(bundle_folder_problem(folder))
    folder = folder.resolve()
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        _write_files(bundle, partial, folder.name)
        if folder.exists():
            folder.rmdir()  # empty, as checked; Windows cannot rename over it
        partial.replace(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error})", "Choose another folder with --out.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def bundle_folder_problem(folder: Path) -> list[Problem]:
    """Why a bundle cannot be written to `folder`, as far as what is there tells."""
    hint = "Name a folder that does not exist yet."
    if folder.is_file():
        return [Problem(f"--out {folder}: is a file", hint)]
    if folder.is_dir() and any(folder.iterdir()):
        return [Problem(f"--out {folder}: exists and is not empty", hint)]
    return []


def _read_weights(path: Path, build: Callable[[], nn.Module]) -> Mapping[str, Tensor]:
    header, weights = tensorfile.read(path)
    if header.get("kind") != "bundle":
        raise UserError(
            f"{path}: holds a {header.get('kind', 'file of unknown kind')}, not a bundle's weights",
            "Put back the bundle's own file, or make the bundle again: unpaired bundle RUN --out DIR.",
        )
    check_fit(build, weights, path)
    return weights


def _open_file(path: Path, raw: bool, with_discriminators: bool) -> Bundle:
    if path.suffix in (".pt", ".pth"):
        raise UserError(
            f"{path}: is a PyTorch file", f"To use a reference's: unpaired import munit {path} --out BUNDLE"
        )
    if path.name in (WEIGHTS_NAME, CONFIG_NAME) and (path.parent / CONFIG_NAME).is_file():
        return read_bundle(path.parent, raw, with_discriminators)
    return _read_checkpoint(path, raw, with_discriminators)


def _read_run(run: Path, raw: bool, with_discriminators: bool) -> Bundle:
    folder = run / "checkpoints"
    last = folder / "last.safetensors"
    snapshots = sorted(folder.glob("step-*.safetensors"))
    latest = f"Its latest snapshot is {snapshots[-1]}: name that file." if snapshots else ""
    if not last.is_file():
        raise UserError(
            f"{run}: this run has no checkpoint yet ({last} is missing)",
            latest or f"Train it first, or go on with it: unpaired train --resume {run}",
        )
    try:
        return _read_checkpoint(last, raw, with_discriminators)
    except UserError as error:
        if not latest:
            raise
        raise UserError(error.problems[0].message, latest) from error


def _read_checkpoint(path: Path, raw: bool, with_discriminators: bool) -> Bundle:
    parts = ("ema.", "generators.", "discriminators.") if with_discriminators else ("ema.", "generators.")
    header, tensors = tensorfile.read(path, lambda name: name.startswith(parts))
    if header.get("kind") != "checkpoint" or header.get("format") != 1:
        raise UserError(
            f"{path}: holds a {header.get('kind')} of format {header.get('format')}, not a checkpoint of format 1",
            "Name a run folder, a checkpoint in its checkpoints/, or a bundle folder.",
        )
    run = validate(RunConfig, header["config"], f"{path}: config")
    ema = tensorfile.under(tensors, "ema.")
    averaged = bool(ema) and not raw
    weights = ema if averaged else tensorfile.under(tensors, "generators.")
    check_fit(lambda: _generators(run.model), weights, path)
    facts = _facts_of_run(run, path, header, "ema" if averaged else "raw")
    return Bundle(facts, weights, tensorfile.under(tensors, "discriminators.") or None)


def _facts_of_run(run: RunConfig, path: Path, header: Mapping[str, Any], kind: Literal["ema", "raw"]) -> BundleConfig:
    is_run = path.parent.name == "checkpoints"
    name_a, name_b = domain_names(run.data)
    return BundleConfig(
        format=FORMAT,
        model=run.model,
        data=PicturesConfig(size=run.data.size, resize=run.data.resize, background=run.data.background),
        weights=kind,
        step=header["step"],
        domains=DomainNames(a=name_a, b=name_b),
        source=f"run {path.resolve().parent.parent.name}" if is_run else f"checkpoint {path.name}",
        versions=header["versions"],
    )


def _missing(path: Path) -> UserError:
    siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, siblings)
    way_out = "Name a run folder, a checkpoint file or a bundle folder."
    return UserError(f"{path}: there is no such model", hint if hint.startswith("Did") else way_out)


def _way_out_of_folder(path: Path) -> str:
    runs = sorted(p.parent for p in path.glob("*/config.yaml"))
    if runs:
        return f"Name one of the run folders in it; the latest is {runs[-1]}."
    return "Name a folder that `unpaired train`, `unpaired bundle` or `unpaired import` wrote."


def _write_files(bundle: Bundle, folder: Path, name: str) -> None:
    header = {"kind": "bundle", "format": bundle.config.format}
    tensorfile.write(folder / WEIGHTS_NAME, bundle.weights, header)
    if bundle.discriminators is not None:
        tensorfile.write(folder / DISCRIMINATORS_NAME, bundle.discriminators, header)
    num_parameters = sum(tensor.numel() for tensor in bundle.weights.values())
    (folder / CARD_NAME).write_text(model_card(bundle.config, name, num_parameters), encoding="utf-8")
    text = json.dumps(to_dict(bundle.config), indent=2, ensure_ascii=False)
    (folder / CONFIG_NAME).write_text(f"{text}\n", encoding="utf-8")


def _generators(model: ModelConfig) -> nn.Module:
    return MODELS[model.name].load_method().build_generators(model)


def _discriminators(model: ModelConfig) -> nn.Module:
    return MODELS[model.name].load_method()(model).discriminators


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("it holds no settings")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, not JSON, or something else in JSON
        raise UserError(f"{path}: cannot be read as JSON ({error})", "Copy the bundle again.") from error
    return data
