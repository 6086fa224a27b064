"""Reads the reference's YAML files into our config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unpaired.config import DataConfig, validate
from unpaired.errors import Problem, UsageError, UserError, did_you_mean, raise_if_any
from unpaired.models.munit.config import MunitConfig

_NORMS = {"none": "none", "in": "instance", "ln": "layer", "bn": "batch", "sn": "spectral"}
_GENERATOR = {
    "dim": "dim",
    "mlp_dim": "mlp_dim",
    "style_dim": "style_dim",
    "activ": "activation",
    "n_downsample": "num_downsamples",
    "n_res": "num_res_blocks",
    "pad_type": "padding",
}
_DISCRIMINATOR = {
    "dim": "dim",
    "norm": "norm",
    "activ": "activation",
    "n_layer": "num_layers",
    "num_scales": "num_scales",
    "pad_type": "padding",
}
_WEIGHTS = {
    "gan_w": "adversarial",
    "recon_x_w": "image",
    "recon_s_w": "style",
    "recon_c_w": "content",
    "recon_x_cyc_w": "cycle",
}


@dataclass(frozen=True)
class ReferenceYaml:
    """What a YAML file of the reference says, in our settings; `notes` on what has no place in ours."""

    model: MunitConfig
    data: DataConfig
    notes: tuple[str, ...]


def read_reference_yaml(path: Path) -> ReferenceYaml:
    """The settings in the reference's YAML file at `path`.

    Raises `UserError` when it cannot be read, and `UsageError` naming all keys and values that are wrong.
    """
    data = _read(path)
    problems: list[Problem] = []
    gen = _section(data, "gen", _GENERATOR, path, problems)
    dis = _section(data, "dis", {**_DISCRIMINATOR, "gan_type": "gan_type"}, path, problems)
    for key in ("input_dim_a", "input_dim_b"):
        if data.get(key, 3) != 3:
            problems.append(Problem(f"{path}: {key}: {data[key]} channels", "Only pictures of 3 channels are known."))
    raise_if_any(problems)
    kind = dis.pop("gan_type", "lsgan")
    if "norm" in dis:
        dis["norm"] = _NORMS.get(dis["norm"], dis["norm"])
    plain = {
        "generator": gen,
        "discriminator": dis,
        "adversarial": kind,
        "weights": {ours: data[theirs] for theirs, ours in _WEIGHTS.items() if theirs in data},
        "generator_init": data.get("init", "kaiming"),
    }
    model: MunitConfig = validate(MunitConfig, plain, str(path))
    return ReferenceYaml(model, validate(DataConfig, _data(data), str(path)), _notes(data))


def _data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The reference scales the shorter side to new_size, then crops."""
    plain: dict[str, Any] = {}
    if {"crop_image_height", "crop_image_width"} <= set(data):
        plain["size"] = (data["crop_image_height"], data["crop_image_width"])
    new_size = data.get("new_size", data.get("new_size_a"))
    return plain if new_size is None else {**plain, "resize": new_size}


def _notes(data: Mapping[str, Any]) -> tuple[str, ...]:
    if data.get("vgg_w", 0):
        return (f"vgg_w: {data['vgg_w']}: the perceptual loss only matters for training on and was left out.",)
    return ()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f"{path}: cannot be read as YAML ({' '.join(str(error).split())})", "Check the file."
        ) from error
    if not isinstance(data, Mapping) or not {"gen", "dis"} <= set(data):
        raise UsageError(f"{path}: is not a MUNIT config: no gen and dis sections", "Give the reference's YAML file.")
    return data


def _section(
    data: Mapping[str, Any], name: str, names: Mapping[str, str], path: Path, problems: list[Problem]
) -> dict[str, Any]:
    section = data[name]
    if not isinstance(section, Mapping):
        problems.append(Problem(f"{path}: {name}: is {section!r}, not a section", "Give the reference's YAML file."))
        return {}
    unknown = [key for key in section if key not in names]
    problems += [Problem(f"{path}: {name}.{key}: unknown key", did_you_mean(str(key), names)) for key in unknown]
    return {names[key]: value for key, value in section.items() if key in names}
