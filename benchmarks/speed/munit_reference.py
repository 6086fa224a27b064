"""NVlabs/MUNIT, run as it is from a clone of its repository, in a process that runs nothing else.

Two things are put in its way from outside: the reader of Torch 7 files that it imports, which torch has no longer and
nothing here needs, and on a CPU its `.cuda()`, which then does nothing.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.speed.noise import noise
from benchmarks.speed.worker import Unit

from unpaired.config import RunConfig
from unpaired.models.munit.config import DiscriminatorConfig, GeneratorConfig, MunitConfig
from unpaired.schedules import value_at

NORMS = {"none": "none", "instance": "in", "layer": "ln", "batch": "bn", "spectral": "sn"}


def training_step(folder: Path, config: RunConfig) -> Unit:
    """One update of the discriminators and one of the generators, as the reference's train.py calls them."""
    settings = reference_settings(config)
    trainer = make_trainer(folder, settings, config.device)
    x_a, x_b = noise(config)

    def step() -> None:
        trainer.dis_update(x_a, x_b, settings)
        trainer.gen_update(x_a, x_b, settings)

    return step


def translation(folder: Path, config: RunConfig, picture: Path, out: Path, num_styles: int) -> Unit:
    """`picture` translated to domain b in random styles and written to `out`, as the reference's test.py does it."""
    trainer = make_trainer(folder, reference_settings(config), config.device).eval()
    out.mkdir(parents=True, exist_ok=True)
    return partial(_translate, trainer, config, picture, out, num_styles)


def _translate(trainer: Any, config: RunConfig, picture: Path, out: Path, num_styles: int) -> None:
    """Content and style encoded once, one style decoded at a time, each written before the next; then the input."""
    import torch
    from PIL import Image
    from torchvision import transforms
    from torchvision.utils import save_image

    prepare = transforms.Compose(
        [transforms.Resize(config.data.size[0]), transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
    )
    with torch.no_grad():
        x = prepare(Image.open(picture).convert("RGB"))[None].to(config.device)
        content, _ = trainer.gen_a.encode(x)
        styles = torch.randn(num_styles, trainer.style_dim, 1, 1).to(config.device)
        for number, style in enumerate(styles):
            y = (trainer.gen_b.decode(content, style[None]) + 1) / 2
            save_image(y, out / f"output{number:03d}.jpg", padding=0, normalize=True)
        save_image(x, out / "input.jpg", padding=0, normalize=True)


def make_trainer(folder: Path, settings: dict[str, Any], device: str) -> Any:
    """The reference's own trainer with `settings` on `device`."""
    make_importable(folder, without_cuda=device == "cpu")
    return import_module("trainer").MUNIT_Trainer(settings).cuda()


def make_importable(folder: Path, *, without_cuda: bool) -> None:
    """From now on the modules in `folder` can be imported, and in this whole process `.cuda()` may do nothing."""
    import torch

    missing: Any = ModuleType("torch.utils.serialization")
    missing.load_lua = None
    sys.modules[missing.__name__] = missing
    if without_cuda:
        for kind in (torch.Tensor, torch.nn.Module):
            setattr(kind, "cuda", _same)  # noqa: B010  plain assignment is no better, and mypy forbids it
    sys.path.insert(0, str(folder))


def _same(what: Any, *_arguments: Any, **_keywords: Any) -> Any:
    return what


def reference_settings(config: RunConfig) -> dict[str, Any]:
    """What the reference's YAML file would say for our `config`, as far as it knows it."""
    model = config.model
    assert isinstance(model, MunitConfig)
    weights, optimizer = model.weights, config.optimizer
    return {
        "lr": optimizer.lr_generator,
        "beta1": optimizer.betas[0],
        "beta2": optimizer.betas[1],
        "weight_decay": optimizer.weight_decay,
        "lr_policy": "step",
        "step_size": optimizer.step_size,
        "gamma": optimizer.gamma,
        "init": model.generator_init,
        "display_size": 1,
        "input_dim_a": 3,
        "input_dim_b": 3,
        "gan_w": value_at(weights.adversarial, 0),
        "recon_x_w": value_at(weights.image, 0),
        "recon_s_w": value_at(weights.style, 0),
        "recon_c_w": value_at(weights.content, 0),
        "recon_x_cyc_w": value_at(weights.cycle, 0),
        "vgg_w": 0,
        "gen": _generator(model.generator),
        "dis": _discriminator(model.discriminator) | {"gan_type": model.adversarial},
    }


def _generator(config: GeneratorConfig) -> dict[str, Any]:
    return {
        "dim": config.dim,
        "mlp_dim": config.mlp_dim,
        "style_dim": config.style_dim,
        "activ": config.activation,
        "n_downsample": config.num_downsamples,
        "n_res": config.num_res_blocks,
        "pad_type": config.padding,
    }


def _discriminator(config: DiscriminatorConfig) -> dict[str, Any]:
    return {
        "dim": config.dim,
        "norm": NORMS[config.norm],
        "activ": config.activation,
        "n_layer": config.num_layers,
        "num_scales": config.num_scales,
        "pad_type": config.padding,
    }
