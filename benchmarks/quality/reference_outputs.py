"""What the reference MUNIT code itself makes of held-out pictures: PNG files to measure.

python -m benchmarks.quality.reference_outputs MUNIT gen_00003000.pt config.yaml data/testA out --to b

MUNIT is a clone of the reference's repository; only its networks are used, with its own checkpoint and configuration.
Each picture gets the styles that `unpaired evaluate` draws for it, so that these files and the imported checkpoint can
be compared picture by picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from unpaired.data.sampler import mixed_seed


def networks(code: Path, checkpoint: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Both auto-encoders of the reference with the checkpoint's weights."""
    sys.path.insert(0, str(code))
    from networks import AdaINGen

    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    found = {d: AdaINGen(config[f"input_dim_{d}"], config["gen"]) for d in "ab"}
    for domain, network in found.items():
        network.load_state_dict(state[domain])
        network.eval()
    return found


def styles(stem: str, num: int, style_dim: int, seed: int) -> torch.Tensor:
    """The styles (num, style_dim) of the picture called `stem`, drawn as `unpaired evaluate` does."""
    rng = torch.Generator().manual_seed(mixed_seed(seed, stem))
    return torch.stack([torch.randn(style_dim, generator=rng) for _ in range(num)])


@torch.inference_mode()
def translate(source: Any, target: Any, picture: Path, codes: torch.Tensor) -> list[Image.Image]:
    """`picture` in each of the styles `codes`, as the reference computes it, without its stretching of contrast."""
    pixels = np.array(Image.open(picture).convert("RGB"))
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    content, _ = source.encode(x)
    results = [target.decode(content, code.view(1, -1, 1, 1))[0] for code in codes]
    return [Image.fromarray(((y + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()) for y in results]


def main() -> None:
    """Translate every picture; a style is saved as STEM_NUMBER.png."""
    args = arguments()
    config = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    found = networks(args.code, args.checkpoint, config)
    source, target = ("a", "b") if args.to == "b" else ("b", "a")
    args.out.mkdir(parents=True)
    for picture in sorted(args.pictures.glob("*.png")):
        codes = styles(picture.stem, args.styles, config["gen"]["style_dim"], args.seed)
        for number, result in enumerate(translate(found[source], found[target], picture, codes)):
            result.save(args.out / f"{picture.stem}_{number}.png")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("code", "checkpoint", "config", "pictures", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--to", choices=("a", "b"), default="b")
    parser.add_argument("--styles", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
