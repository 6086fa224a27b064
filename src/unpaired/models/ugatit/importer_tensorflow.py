"""Reads checkpoints of the original TensorFlow code, `UGATIT.model-N.{index,data-00000-of-00001}`, without TensorFlow.

Its networks differ from the PyTorch port's in biases, norms, attention and padding (README.md): `layers="tensorflow"`
builds them. Sizes follow from the shapes of the variables; what shapes cannot tell is written in the folder's name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unpaired.config import DataConfig
from unpaired.errors import UserError
from unpaired.models.base import ImportedModel
from unpaired.models.ugatit.config import (
    NUM_DOWNSAMPLES,
    DiscriminatorConfig,
    GeneratorConfig,
    UgatitConfig,
)
from unpaired.models.ugatit.discriminators import Discriminator
from unpaired.models.ugatit.importer import found_in_words
from unpaired.models.ugatit.networks import Generator
from unpaired.models.ugatit.reference_folder import FolderSettings, read_folder_name
from unpaired.tensorflow_files.checkpoint import find_prefix, read_checkpoint

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
StateDict = dict[str, Tensor]

GENERATORS = {"to_a": "generator_A", "to_b": "generator_B"}
DISCRIMINATORS = {f"{reach}_{d}": f"discriminator_{d.upper()}/{reach}" for d in "ab" for reach in ("global", "local")}
NUM_SHOWN = 3
SMOOTHING = 0.1
"""What the original takes off every ρ of AdaLIN with its option `smoothing`, which is on unless switched off."""


def import_tensorflow_checkpoint(source: Path) -> ImportedModel:
    """The model in the checkpoint that `source` names: its prefix, one of its files or its folder.

    Raises `UserError` when a file is missing, torn or damaged, when the checkpoint is not U-GAT-IT's, or when its
    networks are of different sizes, naming the first variables that do not fit.
    """
    prefix = find_prefix(source)
    arrays = read_checkpoint(prefix, _is_weight)
    if not arrays:
        raise UserError(
            f"{prefix}: is not a checkpoint of U-GAT-IT: no variable starts with generator_A/ or generator_B/",
            "Give the folder that the original code saved UGATIT.model-N.index in, or a file of it.",
        )
    settings = read_folder_name(prefix.resolve().parent.name)
    early = "generator_A/CAM_logit/dense/kernel" in arrays
    smoothed = _take_off_smoothing(arrays, settings, early=early)
    model = UgatitConfig(
        generator=_infer_generator(arrays, prefix, smoothing=settings.smoothing),
        discriminator=_infer_discriminator(arrays, prefix, early=early),
        layers="tensorflow",
        adversarial=settings.adversarial,
        weights=settings.weights,
    )
    generators, discriminators = _networks(arrays, model, prefix)
    notes = _notes(model, settings, smoothed=smoothed, early=early, complete=discriminators is not None)
    side = 256 if model.generator.size is None else model.generator.size[0]
    data = DataConfig(size=(side, side), resize="stretch", margin=30 if side == 256 else 15)
    return ImportedModel(
        model, data, generators, discriminators, found_in_words(model, generators, discriminators), notes
    )


def generator_names(num_res_blocks: int) -> dict[str, str]:
    """Our name of every layer of a translator → the original's, below `generator_A` or `generator_B`."""
    names = {"encoder.convs.0.conv": "conv/conv2d", "encoder.norms.0": "ins_norm"}
    for i in range(NUM_DOWNSAMPLES):
        names |= {f"encoder.convs.{i + 1}.conv": f"conv_{i}/conv2d", f"encoder.norms.{i + 1}": f"ins_norm_{i}"}
        names |= {f"decoder.up_convs.{i}.conv": f"up_conv_{i}/conv2d", f"decoder.up_norms.{i}": f"layer_ins_norm_{i}"}
    for i in range(num_res_blocks):
        for half in "12":
            encoder, decoder = f"resblock_{i}/res{half}", f"adaptive_resblock{i}/res{half}"
            names[f"encoder.res_blocks.{i}.conv{half}.conv"] = f"{encoder}/conv_0/conv2d"
            names[f"encoder.res_blocks.{i}.norm{half}"] = f"{encoder}/instance_norm"
            names[f"decoder.res_blocks.{i}.conv{half}.conv"] = f"{decoder}/conv_0/conv2d"
            names[f"decoder.res_blocks.{i}.norm{half}"] = f"{decoder}/instance_layer_norm"
    names |= {"attention.average.fc": "CAM_logit", "attention.mix": "conv_1x1/conv2d"}
    names |= {"modulation.hidden1": "MLP/linear_0/dense", "modulation.hidden2": "MLP/linear_1/dense"}
    names |= {f"modulation.{kind}": f"MLP/{kind}/dense" for kind in ("gamma", "beta")}
    return names | {"decoder.head.conv": "G_logit/conv2d"}


def discriminator_names(num_layers: int) -> dict[str, str]:
    """Our name of every layer of a discriminator → the original's, below `discriminator_A/global` and the like."""
    spectral = {f"convs.{i}": f"conv_{i}" for i in range(num_layers - 2)}
    spectral |= {f"convs.{num_layers - 2}": "conv_last", "head": "D_logit"}
    names = {f"{ours}.conv.conv": theirs for ours, theirs in spectral.items()}
    names |= {f"{ours}.sigma": theirs for ours, theirs in spectral.items()}
    names |= {"attention.average.fc": "CAM_logit", "attention.average.sigma": "CAM_logit"}
    return names | {"attention.mix": "conv_1x1/conv2d"}


def _is_weight(name: str) -> bool:
    """Whether a variable belongs to a network, and is not what Adam keeps of it."""
    return name.startswith(("generator_", "discriminator_")) and not name.endswith(("/Adam", "/Adam_1"))


def _take_off_smoothing(arrays: Arrays, settings: FolderSettings, *, early: bool) -> bool:
    """Replace every stored ρ of AdaLIN by the one that is used. Returns whether the two differed.

    With smoothing the original stores ρ in [0, 1] and uses max(ρ − 0.1, 0). Its first version stored it as used, at
    most 0.9.
    """
    stored = [name for name in arrays if name.endswith("/instance_layer_norm/rho")]
    stored_as_used = early and all((arrays[name] <= np.float32(1 - SMOOTHING)).all() for name in stored)
    if not settings.smoothing or stored_as_used:
        return False
    for name in stored:
        arrays[name] = np.clip(arrays[name] - np.float32(SMOOTHING), 0, 1)
    return True


def _notes(
    model: UgatitConfig, settings: FolderSettings, *, smoothed: bool, early: bool, complete: bool
) -> tuple[str, ...]:
    """What a user should know of the import: what was assumed, changed and left out."""
    notes = [*settings.notes]
    if smoothed:
        notes.append(f"Smoothing: every rho of AdaLIN is {SMOOTHING} less than in the file, as the original uses it.")
    elif settings.smoothing:
        notes.append("It is of the original's first version, which stores every rho of AdaLIN as it is used.")
    if early:
        notes.append(
            "It is of an early version, whose attention logits come from a layer of their own. That layer is left out: "
            "pictures are the original's, the translators' attention logits are not."
        )
    if not complete:
        notes.append("Discriminators with spectral norm, the only ones known here, are not in it: they are left out.")
    if model.generator.size is None:
        notes.append("The light model does not tell its picture size: 256 px was assumed.")
    return tuple(notes)


def _infer_generator(arrays: Arrays, prefix: Path, *, smoothing: bool) -> GeneratorConfig:
    """The sizes of the translators from the shapes of their variables."""
    dim = _shape(arrays, "generator_A/conv/conv2d/kernel", 4, prefix)[-1]
    hidden = "generator_A/MLP/linear_0/dense/kernel"
    num_inputs = _shape(arrays, hidden, 2, prefix)[0]
    positions, rest = divmod(num_inputs, dim * 2**NUM_DOWNSAMPLES)
    side = math.isqrt(positions)
    if rest or side * side != positions:
        raise _unfit(prefix, [f"{hidden} is {_by(arrays[hidden].shape)}, which fits no picture size"])
    light = positions == 1
    most = 1 - SMOOTHING if smoothing else 1.0
    return GeneratorConfig(
        light=light,
        dim=dim,
        num_res_blocks=_count(arrays, r"generator_A/adaptive_resblock(\d+)/res1/conv_0/conv2d/kernel"),
        size=None if light else (side * 2**NUM_DOWNSAMPLES,) * 2,
        rho_init=most,
        rho_max=most,
    )


def _infer_discriminator(arrays: Arrays, prefix: Path, *, early: bool) -> DiscriminatorConfig:
    """The sizes of the discriminators; the defaults when they are left out."""
    if not _has_discriminators(arrays):
        return DiscriminatorConfig()
    num_global, num_local = (
        max(3, _count(arrays, rf"discriminator_A/{reach}/conv_(\d+|last)/kernel") + 1) for reach in ("global", "local")
    )
    return DiscriminatorConfig(
        dim=_shape(arrays, "discriminator_A/global/conv_0/kernel", 4, prefix)[-1],
        num_layers_global=num_global,
        num_layers_local=num_local,
        cam_weight="raw" if early else "normalized",
    )


def _shape(arrays: Arrays, name: str, dimensions: int, prefix: Path) -> tuple[int, ...]:
    """The shape of the variable `name`. Raises `UserError` unless it has so many dimensions, none of them empty."""
    shape = arrays[name].shape if name in arrays else ()
    if len(shape) != dimensions or 0 in shape:
        raise _unfit(prefix, [f"{name} is missing or no weight of {dimensions} dimensions"])
    return shape


def _has_discriminators(arrays: Mapping[str, Array]) -> bool:
    """Whether there are discriminators with spectral norm, the only kind that is built here."""
    return "discriminator_A/global/conv_0/u" in arrays


def _networks(arrays: Arrays, model: UgatitConfig, prefix: Path) -> tuple[StateDict, StateDict | None]:
    """Generators and discriminators under our names. Takes the variables out of `arrays`, which may be gigabytes."""
    has_discriminators = _has_discriminators(arrays)
    differences: list[str] = []
    generators: StateDict = {}
    discriminators: StateDict = {}
    for ours, theirs in GENERATORS.items():
        names = generator_names(model.generator.num_res_blocks)
        found = _renamed(arrays, theirs, _on_meta(Generator, model), names, differences)
        generators |= {f"{ours}.{key}": tensor for key, tensor in found.items()}
    if has_discriminators:
        for ours, theirs in DISCRIMINATORS.items():
            sizes = model.discriminator
            num_layers = sizes.num_layers_global if ours.startswith("global") else sizes.num_layers_local
            network = _on_meta(Discriminator, model, num_layers)
            found = _renamed(arrays, theirs, network, discriminator_names(num_layers), differences)
            discriminators |= {f"{ours}.{key}": tensor for key, tensor in found.items()}
        differences += [f"{name} is not known" for name in arrays if "/CAM_logit/dense/" not in name]
    if differences:
        raise _unfit(prefix, differences)
    return generators, discriminators if has_discriminators else None


def _on_meta(make: Callable[..., nn.Module], *arguments: object) -> nn.Module:
    """A network without memory, for the names and shapes of its tensors."""
    with torch.device("meta"):
        return make(*arguments)


def _renamed(
    arrays: Arrays, scope: str, network: nn.Module, names: Mapping[str, str], differences: list[str]
) -> StateDict:
    """The variables below `scope` as the state dict of `network`; what does not fit is added to `differences`."""
    found: StateDict = {}
    for key, empty in network.state_dict().items():
        layer, kind = key.rsplit(".", 1)
        name = f"{scope}/{names[layer]}/{'kernel' if kind == 'weight' else kind}"
        if kind == "v":  # not stored: it follows from u
            continue
        expected = (1, *empty.shape) if kind == "u" else _axes_in_tensorflow(empty.shape)
        array = arrays.pop(name, None)
        if array is None:
            differences.append(f"{name} is missing")
        elif array.shape != expected:
            differences.append(f"{name} is {_by(array.shape)}, expected {_by(expected)}")
        else:
            found[key] = _converted(array, empty.shape, flattened=key == "modulation.hidden1.weight")
    if not differences:
        _step_power_iterations(found, names)
    return found


def _axes_in_tensorflow(shape: torch.Size) -> tuple[int, ...]:
    """(out, in, height, width) is (height, width, in, out) there, (out, in) is (in, out)."""
    return (*shape[2:], *reversed(shape[:2]))


def _converted(array: Array, shape: torch.Size, *, flattened: bool) -> Tensor:
    """`array` with its axes in our order. `flattened`: its inputs are a map, (height, width, channels) in one."""
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif flattened:
        channels = array.shape[1]
        array = array.reshape(-1, channels, channels).transpose(2, 1, 0)  # (out, channels, positions)
    elif array.ndim == 2:
        array = array.T
    return torch.from_numpy(np.array(array, np.float32, order="C")).reshape(shape)


def _step_power_iterations(state: StateDict, names: Mapping[str, str]) -> None:
    """Bring the singular vectors to where the original has them when it uses its weights: one step on.

    It makes that step in every forward pass, also when it is not training; ours makes none then.
    """
    weights = {theirs: ours for ours, theirs in names.items() if not ours.endswith(".sigma")}
    for layer in [key.removesuffix(".u") for key in state if key.endswith(".u")]:
        matrix = state[f"{weights[names[layer]]}.weight"].flatten(1)
        v = normalize(matrix.T @ state[f"{layer}.u"], dim=0)
        state[f"{layer}.u"], state[f"{layer}.v"] = normalize(matrix @ v, dim=0), v


def _unfit(prefix: Path, differences: list[str]) -> UserError:
    shown = "; ".join(differences[:NUM_SHOWN]) + ("; …" if len(differences) > NUM_SHOWN else "")
    return UserError(
        f"{prefix}: its variables do not make U-GAT-IT's networks; {len(differences)} do not fit: {shown}",
        "Give a checkpoint as the original code saves it; the sizes of all networks are read from generator_A and "
        "discriminator_A.",
    )


def _count(arrays: Mapping[str, Array], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in arrays)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
