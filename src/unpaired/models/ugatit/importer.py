"""Reads checkpoints of the official codes: the PyTorch port's `*_params_*.pt`, and TensorFlow's `UGATIT.model-N.*`.

One PyTorch file holds all six networks: `genA2B genB2A disGA disGB disLA disLB`. Its settings follow from the shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.errors import Problem, UserError, raise_if_any
from unpaired.models.base import ImportedModel
from unpaired.models.ugatit.config import NUM_DOWNSAMPLES, DiscriminatorConfig, GeneratorConfig, UgatitConfig
from unpaired.models.ugatit.discriminators import Discriminator
from unpaired.models.ugatit.networks import Generator

StateDict = dict[str, Tensor]
NUM_KEYS_SHOWN = 3
RESIZE_MARGIN_PX = 30  # fixed in the port's training transform
GENERATORS = {"to_b": "genA2B", "to_a": "genB2A"}
DISCRIMINATORS = {"global_a": "disGA", "local_a": "disLA", "global_b": "disGB", "local_b": "disLB"}
WHERE = "Give the PyTorch code's *_params_*.pt file, or the TensorFlow code's UGATIT.model-N.index."


def import_checkpoint(source: Path, *, config: Path | None, discriminators: Path | None) -> ImportedModel:
    """The model in the checkpoint `source` of either official code; a TensorFlow one is named by prefix or folder.

    Raises `UserError` when the file is torn, is something else, lacks a network, or when its networks are of different
    sizes, naming the first tensors that do not fit.
    """
    _refuse_other_files(config, discriminators)
    if _is_tensorflow(source):
        from unpaired.models.ugatit.importer_tensorflow import import_tensorflow_checkpoint

        return import_tensorflow_checkpoint(source)
    return _import_pytorch(source)


def generator_names(config: GeneratorConfig) -> dict[str, str]:
    """Our name of every tensor of one translator → the PyTorch code's name."""
    names = {f"encoder.convs.{i}.conv.weight": f"DownBlock.{1 + 4 * i}.weight" for i in range(NUM_DOWNSAMPLES + 1)}
    first_block = 4 * (NUM_DOWNSAMPLES + 1)
    for i in range(config.num_res_blocks):
        ours, theirs = f"encoder.res_blocks.{i}", f"DownBlock.{first_block + i}.conv_block"
        names |= {f"{ours}.conv1.conv.weight": f"{theirs}.1.weight", f"{ours}.conv2.conv.weight": f"{theirs}.5.weight"}
        for half in "12":
            ours, theirs = f"decoder.res_blocks.{i}", f"UpBlock1_{i + 1}"
            names[f"{ours}.conv{half}.conv.weight"] = f"{theirs}.conv{half}.weight"
            names[f"{ours}.norm{half}.rho"] = f"{theirs}.norm{half}.rho"
    for i in range(NUM_DOWNSAMPLES):
        names[f"decoder.up_convs.{i}.conv.weight"] = f"UpBlock2.{2 + 5 * i}.weight"
        names |= {f"decoder.up_norms.{i}.{kind}": f"UpBlock2.{3 + 5 * i}.{kind}" for kind in ("rho", "gamma", "beta")}
    names["decoder.head.conv.weight"] = f"UpBlock2.{5 * NUM_DOWNSAMPLES + 1}.weight"
    names |= {"attention.average.fc.weight": "gap_fc.weight", "attention.maximum.fc.weight": "gmp_fc.weight"}
    names |= {f"attention.mix.{kind}": f"conv1x1.{kind}" for kind in ("weight", "bias")}
    names |= {"modulation.hidden1.weight": "FC.0.weight", "modulation.hidden2.weight": "FC.2.weight"}
    return names | {f"modulation.{kind}.weight": f"{kind}.weight" for kind in ("gamma", "beta")}


def discriminator_names(num_layers: int) -> dict[str, str]:
    """Our name of every tensor of one discriminator → the PyTorch code's name."""
    spectral = {"head.conv.conv": ("head.sigma", "conv")}
    spectral |= {f"convs.{i}.conv.conv": (f"convs.{i}.sigma", f"model.{1 + 3 * i}") for i in range(num_layers - 1)}
    for ours, theirs in (("average", "gap_fc"), ("maximum", "gmp_fc")):
        spectral[f"attention.{ours}.fc"] = (f"attention.{ours}.sigma", theirs)
    names = {}
    for layer, (sigma, theirs) in spectral.items():
        names[f"{layer}.weight"] = f"{theirs}.weight_orig"
        names |= {f"{sigma}.{vector}": f"{theirs}.weight_{vector}" for vector in "uv"}
    names |= {f"convs.{i}.conv.conv.bias": f"model.{1 + 3 * i}.bias" for i in range(num_layers - 1)}
    return names | {f"attention.mix.{kind}": f"conv1x1.{kind}" for kind in ("weight", "bias")}


def found_in_words(model: UgatitConfig, generators: StateDict, discriminators: StateDict | None) -> tuple[str, ...]:
    """What a checkpoint holds, for people."""
    sizes, judges = model.generator, model.discriminator
    kind = "light" if sizes.size is None else f"full, for pictures of {sizes.size[0]}x{sizes.size[1]} px"
    parameters = sum(tensor.numel() for tensor in generators.values()) // 2
    found = [f"Found two translators of {parameters:,} parameters, {kind}: dim {sizes.dim}"]
    if discriminators is not None:
        layers = f"{judges.num_layers_global} and {judges.num_layers_local} layers"
        found.append(f"Found a global and a local discriminator for each domain: dim {judges.dim}, {layers}")
    return tuple(found)


def _refuse_other_files(config: Path | None, discriminators: Path | None) -> None:
    problems = []
    if config is not None:
        problems.append(Problem(f"--config {config}: U-GAT-IT's codes have no config files", "Leave --config out."))
    if discriminators is not None:
        hint = "Leave --dis out: the discriminators come with the generators."
        problems.append(Problem(f"--dis {discriminators}: one checkpoint of U-GAT-IT holds all networks", hint))
    raise_if_any(problems)


def _is_tensorflow(source: Path) -> bool:
    """Whether `source` is a folder, or a prefix or a part of a TensorFlow checkpoint."""
    is_part = re.search(r"\.(index|meta|data-\d+-of-\d+)$", source.name) is not None
    return source.is_dir() or is_part or (not source.is_file() and source.with_name(f"{source.name}.index").is_file())


def _import_pytorch(source: Path) -> ImportedModel:
    networks = _load(source)
    model = UgatitConfig(
        generator=_infer_generator(networks["genA2B"], source),
        discriminator=_infer_discriminator(networks, source),
        variance="unbiased",
        initialization="default",
    )
    generators, discriminators, differences = _rename_all(networks, model)
    if differences:
        shown = "; ".join(differences[:NUM_KEYS_SHOWN])
        raise UserError(
            f"{source}: its networks do not fit together in {len(differences)} tensors: {shown}",
            f"The sizes were read from genA2B: {_describe(model)}. Are these the networks of two trainings?",
        )
    data = DataConfig(resize="stretch", margin=RESIZE_MARGIN_PX)
    found = found_in_words(model, generators, discriminators)
    if model.generator.size is not None:
        return ImportedModel(model, replace(data, size=model.generator.size), generators, discriminators, found)
    note = f"The light model does not tell its picture size: {data.size[0]} px was assumed."
    return ImportedModel(model, data, generators, discriminators, found, (note,))


def _load(path: Path) -> dict[str, StateDict]:
    """The six state dicts of a checkpoint of the PyTorch code."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file", WHERE)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        # torch's own text is left out: it tells people to load the file in the way that may run code
        raise UserError(f"{path}: is torn or not a PyTorch checkpoint of tensors", "Fetch or copy it again.") from error
    wanted = (*GENERATORS.values(), *DISCRIMINATORS.values())
    seen = sorted(map(str, content))[:6] if isinstance(content, Mapping) else type(content).__name__
    if not isinstance(content, Mapping) or not any(name in content for name in wanted):
        looks = " It looks like one of MUNIT: unpaired import munit." if seen == ["a", "b"] else ""
        raise UserError(f"{path}: is not a U-GAT-IT checkpoint: holds {seen} instead of six networks", WHERE + looks)
    missing = [name for name in wanted if not _is_state_dict(content.get(name))]
    if missing:
        raise UserError(
            f"{path}: lacks {', '.join(missing)}; holds {', '.join(seen)}", "Give a file as the PyTorch code saves it."
        )
    return {name: dict(content[name]) for name in wanted}


def _is_zip(path: Path) -> bool:
    """Whether the tensors can be read where they lie: files of torch before 1.6 have another layout."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _is_state_dict(content: object) -> bool:
    return isinstance(content, Mapping) and bool(content) and all(isinstance(t, Tensor) for t in content.values())


def _infer_generator(state: StateDict, path: Path) -> GeneratorConfig:
    """The sizes of a translator from the shapes of its tensors."""
    _require(state, {"DownBlock.1.weight": 4, "FC.0.weight": 2, "UpBlock1_1.conv1.weight": 4}, "genA2B", path)
    dim = state["DownBlock.1.weight"].shape[0]
    positions, rest = divmod(state["FC.0.weight"].shape[1], dim * 2**NUM_DOWNSAMPLES)
    side = math.isqrt(positions)
    if rest or side * side != positions:
        raise UserError(
            f"{path}: genA2B.FC.0.weight is {_by(state['FC.0.weight'].shape)}, which fits no picture size",
            "Is it a checkpoint of the PyTorch code by its authors? Variants of it are not known.",
        )
    light = positions == 1
    size = None if light else (side * 2**NUM_DOWNSAMPLES,) * 2
    num_res_blocks = _count(state, r"UpBlock1_(\d+)\.conv1\.weight")
    return GeneratorConfig(light=light, dim=dim, num_res_blocks=num_res_blocks, size=size)


def _infer_discriminator(networks: Mapping[str, StateDict], path: Path) -> DiscriminatorConfig:
    for name in ("disGA", "disLA"):
        _require(networks[name], {"model.1.weight_orig": 4}, name, path)
    return DiscriminatorConfig(
        dim=networks["disGA"]["model.1.weight_orig"].shape[0],
        num_layers_global=_count(networks["disGA"], r"model\.(\d+)\.weight_orig") + 1,
        num_layers_local=_count(networks["disLA"], r"model\.(\d+)\.weight_orig") + 1,
        cam_weight="raw",
    )


def _require(state: StateDict, dimensions: Mapping[str, int], network: str, path: Path) -> None:
    problems = [
        Problem(f"{path}: {network}.{key} is missing or no weight of {number} dimensions", WHERE)
        for key, number in dimensions.items()
        if key not in state or state[key].dim() != number or not state[key].numel()
    ]
    raise_if_any(problems)


def _rename_all(networks: Mapping[str, StateDict], model: UgatitConfig) -> tuple[StateDict, StateDict, list[str]]:
    """Generators and discriminators under our names, and what does not fit."""
    sizes = model.discriminator
    differences: list[str] = []
    generators: StateDict = {}
    discriminators: StateDict = {}
    with torch.device("meta"):
        translator = Generator(model).state_dict()
        judges = {n: Discriminator(model, n).state_dict() for n in (sizes.num_layers_global, sizes.num_layers_local)}
    for ours, theirs in GENERATORS.items():
        found, wrong = _renamed(theirs, networks[theirs], generator_names(model.generator), translator)
        generators |= {f"{ours}.{key}": tensor for key, tensor in found.items()}
        differences += wrong
    for ours, theirs in DISCRIMINATORS.items():
        num_layers = sizes.num_layers_global if ours.startswith("global") else sizes.num_layers_local
        found, wrong = _renamed(theirs, networks[theirs], discriminator_names(num_layers), judges[num_layers])
        discriminators |= {f"{ours}.{key}": tensor for key, tensor in found.items()}
        differences += wrong
    return generators, discriminators, differences


def _renamed(
    network: str, state: StateDict, names: Mapping[str, str], expected: Mapping[str, Tensor]
) -> tuple[StateDict, list[str]]:
    """The tensors of one network in our names and shapes (ρ, γ and β lose their dimensions of size 1), and misfits."""
    found: StateDict = {}
    differences = [f"{network}.{key} is not known" for key in state if key not in names.values()]
    for ours, empty in expected.items():
        theirs = names[ours]
        if theirs not in state:
            differences.append(f"{network}.{theirs} is missing")
        elif _squeezed(state[theirs].shape) != _squeezed(empty.shape):
            differences.append(f"{network}.{theirs} is {_by(state[theirs].shape)}, expected {_by(empty.shape)}")
        else:
            found[ours] = state[theirs].reshape(empty.shape).float().clone()
    return found, differences


def _squeezed(shape: torch.Size) -> list[int]:
    return [side for side in shape if side != 1]


def _describe(model: UgatitConfig) -> str:
    generator = model.generator
    kind = "light" if generator.size is None else f"full, {generator.size[0]} px"
    return f"{kind}, {generator.dim} channels, {generator.num_res_blocks} residual blocks"


def _count(state: StateDict, pattern: str) -> int:
    return len({match[1] for key in state if (match := re.fullmatch(pattern, key))})


def _by(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a scalar"
