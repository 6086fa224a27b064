"""Reads checkpoints of the reference code: `gen_*.pt` and `dis_*.pt`, `{"a": state dict, "b": state dict}`.

The sizes come from the reference's YAML file, or from the shapes of the tensors. What shapes cannot tell (activations,
padding, kind of adversarial loss) is then taken from the reference's own shipped settings, and said so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.errors import Problem, UserError, raise_if_any
from unpaired.models.base import DOMAINS, ImportedModel
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.models.munit.discriminators import MultiScaleDiscriminator
from unpaired.models.munit.networks import AutoEncoder
from unpaired.models.munit.reference_yaml import read_reference_yaml

StateDict = dict[str, Tensor]
NUM_KEYS_SHOWN = 3


def import_checkpoint(source: Path, *, config: Path | None, discriminators: Path | None) -> ImportedModel:
    """The model in the reference's file `source`, with the `discriminators` file and YAML `config` where given.

    Raises `UserError` when a file is torn, is something else, or does not fit the config, naming the first keys that
    differ.
    """
    gen = _load(source)
    dis = _load(discriminators) if discriminators is not None else None
    if config is not None:
        settings = read_reference_yaml(config)
        model, data, notes = settings.model, settings.data, settings.notes
    else:
        data = DataConfig()
        model = MunitConfig(
            generator=_infer_generator(gen["a"], source),
            discriminator=_infer_discriminator(dis["a"], discriminators)
            if dis and discriminators
            else DiscriminatorConfig(),
        )
        notes = ("Activations, padding and kind of adversarial loss cannot be read from a checkpoint: the reference's "
                 "shipped settings were assumed. Give its YAML file with --config when they differ.",
                 f"Nor can the size of the training pictures: {data.size[0]} px was assumed.")  # fmt: skip
    generators = _renamed(gen, generator_names(model.generator), _generator_shapes(model.generator), source)
    renamed_dis = None
    if dis is not None and discriminators is not None:
        names = discriminator_names(model.discriminator)
        renamed_dis = _renamed(dis, names, _discriminator_shapes(model.discriminator), discriminators)
    found = _in_words(model, generators, renamed_dis)
    return ImportedModel(model, data, generators, renamed_dis, found, notes)


def _in_words(model: MunitConfig, generators: StateDict, discriminators: StateDict | None) -> tuple[str, ...]:
    """What the checkpoint holds."""
    generator, discriminator = model.generator, model.discriminator
    found = [
        f"Found two generators of {_half_of_numbers(generators):,} parameters: dim {generator.dim}, "
        f"style_dim {generator.style_dim}, mlp_dim {generator.mlp_dim}, {generator.num_downsamples} down-samplings, "
        f"{generator.num_res_blocks} residual blocks"
    ]
    if discriminators is not None:
        found.append(
            f"Found two discriminators of {_half_of_numbers(discriminators):,} parameters: dim {discriminator.dim}, "
            f"{discriminator.num_layers} layers, {discriminator.num_scales} scales"
        )
    return tuple(found)


def _half_of_numbers(state: StateDict) -> int:
    return sum(tensor.numel() for tensor in state.values()) // 2


def generator_names(config: GeneratorConfig) -> dict[str, str]:
    """Our name of every tensor of one auto-encoder → the reference's name."""
    downs, blocks = config.num_downsamples, config.num_res_blocks
    layers: dict[str, str] = {}
    layers |= {f"style_encoder.layers.{i}.conv": f"enc_style.model.{i}.conv" for i in range(5)}
    layers["style_encoder.head"] = "enc_style.model.6"
    layers |= {f"content_encoder.layers.{i}.conv": f"enc_content.model.{i}.conv" for i in range(downs + 1)}
    for block in range(blocks):
        for index, half in enumerate(("first", "second")):
            inner = f"model.{block}.model.{index}.conv"
            layers[f"content_encoder.layers.{downs + 1 + block}.{half}.conv"] = f"enc_content.model.{downs + 1}.{inner}"
            layers[f"decoder.res_blocks.{block}.{half}"] = f"dec.model.0.{inner}"
    layers |= {f"decoder.up_blocks.{i}.conv": f"dec.model.{2 * i + 2}.conv" for i in range(downs)}
    layers["decoder.head"] = f"dec.model.{2 * downs + 1}.conv"
    layers |= {f"mlp.{2 * i}": f"mlp.model.{i}.fc" for i in range(3)}
    names = _weights_and_biases(layers)
    for i in range(downs):
        names[f"decoder.up_blocks.{i}.norm.scale"] = f"dec.model.{2 * i + 2}.norm.gamma"
        names[f"decoder.up_blocks.{i}.norm.shift"] = f"dec.model.{2 * i + 2}.norm.beta"
    return names


def discriminator_names(config: DiscriminatorConfig) -> dict[str, str]:
    """Our name of every tensor of one multi-scale discriminator → the reference's name."""
    names: dict[str, str] = {}
    for scale in range(config.num_scales):
        for index in range(config.num_layers):
            ours, theirs = f"scales.{scale}.{index}", f"cnns.{scale}.{index}"
            names |= _conv_names(f"{ours}.conv", f"{theirs}.conv", spectral=config.norm == "spectral")
            if index > 0:
                names |= _norm_names(f"{ours}.norm", f"{theirs}.norm", config.norm)
        names |= _weights_and_biases({f"scales.{scale}.{config.num_layers}": f"cnns.{scale}.{config.num_layers}"})
    return names


def _weights_and_biases(layers: Mapping[str, str]) -> dict[str, str]:
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in layers.items() for kind in ("weight", "bias")}


def _conv_names(ours: str, theirs: str, *, spectral: bool) -> dict[str, str]:
    if not spectral:
        return _weights_and_biases({ours: theirs})
    return {
        f"{ours}.bias": f"{theirs}.module.bias",
        f"{ours}.parametrizations.weight.original": f"{theirs}.module.weight_bar",
        f"{ours}.parametrizations.weight.0._u": f"{theirs}.module.weight_u",
        f"{ours}.parametrizations.weight.0._v": f"{theirs}.module.weight_v",
    }


def _norm_names(ours: str, theirs: str, norm: str) -> dict[str, str]:
    if norm == "layer":
        return {f"{ours}.scale": f"{theirs}.gamma", f"{ours}.shift": f"{theirs}.beta"}
    if norm == "batch":
        kinds = ("weight", "bias", "running_mean", "running_var")
        return {f"{ours}.{kind}": f"{theirs}.{kind}" for kind in kinds}
    return {}


def _load(path: Path) -> dict[str, StateDict]:
    """The two state dicts of a reference checkpoint."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file", "Give the reference's gen_*.pt or dis_*.pt file.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises nearly anything on damaged files
        # torch's own text is left out: it tells people to load the file in the way that may run code
        raise UserError(f"{path}: is torn or not a PyTorch checkpoint of tensors", "Fetch or copy it again.") from error
    if not _is_checkpoint(content):
        seen = sorted(map(str, content))[:5] if isinstance(content, Mapping) else type(content).__name__
        raise UserError(
            f"{path}: is not a MUNIT checkpoint: holds {seen} instead of the networks a and b",
            "Give the reference's gen_*.pt or dis_*.pt file.",
        )
    return {domain: dict(content[domain]) for domain in DOMAINS}


def _is_checkpoint(content: object) -> bool:
    return isinstance(content, Mapping) and all(
        isinstance(content.get(domain), Mapping) and all(isinstance(t, Tensor) for t in content[domain].values())
        for domain in DOMAINS
    )


def _renamed(
    networks: Mapping[str, StateDict], names: Mapping[str, str], shapes: Mapping[str, torch.Size], path: Path
) -> StateDict:
    """Both networks' tensors in our names, as `a.…` and `b.…`. Raises `UserError` naming the first that do not fit."""
    found: StateDict = {}
    differences: list[str] = []
    for domain in DOMAINS:
        state = networks[domain]
        for ours, shape in shapes.items():
            theirs = names.get(ours)
            if theirs is None:  # a counter that torch adds and the reference's version did not have
                found[f"{domain}.{ours}"] = torch.zeros(shape, dtype=torch.long)
            elif theirs not in state:
                differences.append(f"{domain}.{theirs} is missing")
            elif state[theirs].numel() != shape.numel():
                differences.append(f"{domain}.{theirs} is {_by(state[theirs].shape)}, expected {_by(shape)}")
            else:
                found[f"{domain}.{ours}"] = state[theirs].reshape(shape).float().clone()
        known = set(names.values())
        differences += [f"{domain}.{key} is not known" for key in state if key not in known and not _is_stray(key)]
    if differences:
        shown = "; ".join(differences[:NUM_KEYS_SHOWN])
        raise UserError(
            f"{path}: does not fit the model in {len(differences)} tensors: {shown}",
            "Give the YAML file it was trained with as --config, or leave --config out to infer the sizes.",
        )
    return found


def _is_stray(key: str) -> bool:
    """Statistics that are stored but never used: AdaIN's dummies, and those of instance norms in torch 0.3 files."""
    return key.endswith((".running_mean", ".running_var", ".num_batches_tracked"))


def _generator_shapes(config: GeneratorConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in AutoEncoder(config).state_dict().items()}


def _discriminator_shapes(config: DiscriminatorConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in MultiScaleDiscriminator(config).state_dict().items()}


def _infer_generator(state: StateDict, path: Path) -> GeneratorConfig:
    """The sizes of an auto-encoder from the shapes of its tensors."""
    stem, style, hidden = "enc_content.model.0.conv.weight", "enc_style.model.6.weight", "mlp.model.0.fc.weight"
    problems = [Problem(f"{path}: a.{key} is missing", "Is it a MUNIT generator file (gen_*.pt)?")
                for key in (stem, style, hidden) if key not in state or state[key].dim() < 2]  # fmt: skip
    raise_if_any(problems)
    return GeneratorConfig(
        dim=state[stem].shape[0],
        mlp_dim=state[hidden].shape[0],
        style_dim=state[style].shape[0],
        num_downsamples=max(1, _count(state, r"enc_content\.model\.(\d+)\.conv\.weight") - 1),
        num_res_blocks=max(1, _count(state, r"dec\.model\.0\.model\.(\d+)\.model\.0\.conv\.weight")),
    )


def _infer_discriminator(state: StateDict, path: Path) -> DiscriminatorConfig:
    """The sizes and the norm of a multi-scale discriminator from the names and shapes of its tensors."""
    spectral = "cnns.0.0.conv.module.weight_bar" in state
    stem = "cnns.0.0.conv.module.weight_bar" if spectral else "cnns.0.0.conv.weight"
    if stem not in state:
        raise UserError(f"{path}: a.{stem} is missing", "Is it a MUNIT discriminator file (dis_*.pt)?")
    norm = "none"
    if spectral:
        norm = "spectral"
    elif "cnns.0.1.norm.gamma" in state:
        norm = "layer"
    elif "cnns.0.1.norm.weight" in state:
        norm = "batch"
    return DiscriminatorConfig(
        dim=state[stem].shape[0],
        norm=norm,  # type: ignore[arg-type]
        num_layers=max(1, _count(state, r"cnns\.0\.(\d+)\.conv\.(?:module\.)?bias")),
        num_scales=max(1, _count(state, r"cnns\.(\d+)\.0\.conv\.(?:module\.)?bias")),
    )


def _count(state: StateDict, pattern: str) -> int:
    return len({match[1] for key in state if (match := re.fullmatch(pattern, key))})


def _by(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a scalar"
