"""Files that translation needs: a bundle of networks that learnt nothing, and pictures of soft noise."""

from __future__ import annotations

from pathlib import Path

from unpaired.config import RunConfig


def write_untrained_bundle(config: RunConfig, folder: Path) -> None:
    """Write the networks that a run with `config` starts from as the bundle `folder`."""
    import torch

    from unpaired.inference.bundle import Bundle, write_bundle
    from unpaired.inference.facts import BundleConfig, DomainNames, PicturesConfig
    from unpaired.models import MODELS

    method = MODELS[config.model.name].load_method()(config.model)
    method.initialize(torch.Generator().manual_seed(0))
    data = config.data
    facts = BundleConfig(
        format=1,
        model=config.model,
        data=PicturesConfig(size=data.size, resize=data.resize, background=data.background),
        weights="raw",
        domains=DomainNames(a="a", b="b"),
        source="the speed benchmark",
        versions={},
    )
    write_bundle(Bundle(facts, method.generators.state_dict()), folder)


def write_picture(path: Path, size: int, seed: int = 0) -> Path:
    """Write `size` × `size` pixels of soft noise as a picture, as large a file as a photo's: `path`."""
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(seed).integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(path)
    return path
