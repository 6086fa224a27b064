"""The model card of a bundle: what somebody who is given the folder has to know. Imports no torch."""

from __future__ import annotations

import json

from unpaired.config import to_yaml
from unpaired.inference.facts import BundleConfig
from unpaired.models import ModelConfig

_WEIGHTS_IN_WORDS = {
    "ema": "the moving average of the generators' weights during training",
    "raw": "the generators' weights after the last update, not averaged",
}


def model_card(config: BundleConfig, name: str, num_parameters: int) -> str:
    """The text of `README.md` for the bundle folder called `name`."""
    return "\n".join(
        [_HEADER, _what(config, name), _facts(config, num_parameters), _use(config, name), _config(config)]
    )


_HEADER = """\
---
library_name: unpaired
pipeline_tag: image-to-image
tags: [image-to-image, unpaired, gan]
---
"""


def _what(config: BundleConfig, name: str) -> str:
    a, b = config.domains.a, config.domains.b
    return f"""\
# {name}

Translates pictures between **{a}** (domain `a`) and **{b}** (domain `b`), in both directions: a
{_model_in_words(config.model)} model of the library `unpaired`, trained on two folders of pictures that have no pairs.
{_answers_in_words(config.model)}

Expect good results only for pictures like those it was trained on. The weights come with no statement about the rights
to the training pictures: whoever shares this folder should add one, and a licence.
"""


def _model_in_words(model: ModelConfig) -> str:
    if model.name == "munit":
        return "MUNIT"
    return "U-GAT-IT (light)" if model.generator.light else "U-GAT-IT"


def _answers_in_words(model: ModelConfig) -> str:
    """How many answers there are, and what else one has to know before the first call."""
    if model.name == "munit":
        return (
            "One input has many possible answers; a style code, drawn at random or taken from an example picture, "
            "chooses\namong them."
        )
    words = "One input has one answer."
    if model.generator.cam:
        words += " The model can show where it looks."
    if model.fixed_size is not None:
        height, width = model.fixed_size
        words += f" It works at {height}×{width} pixels (height × width) alone: pictures are\nstretched to that."
    return words


def _facts(config: BundleConfig, num_parameters: int) -> str:
    height, width = config.data.size
    rows = {
        "Model": config.model.name,
        "Domain a": config.domains.a,
        "Domain b": config.domains.b,
        "Source": config.source,
        "Training steps": "unknown" if config.step is None else f"{config.step:,}",
        "Training pictures": f"{height}×{width} px (height × width), resize: {config.data.resize}",
        "Weights": f"{config.weights}: {_WEIGHTS_IN_WORDS[config.weights]}",
        "Parameters": f"{num_parameters:,} (generators of both directions)",
        "Style code": _style_in_words(config.model),
        "Written with": ", ".join(f"{package} {version}" for package, version in sorted(config.versions.items())),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {_cell(value)} |" for key, value in rows.items())]) + "\n"


def _style_in_words(model: ModelConfig) -> str:
    if model.name == "ugatit":
        return "none: one answer for each picture"
    return f"{model.generator.style_dim} numbers, standard normal"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _use(config: BundleConfig, name: str) -> str:
    has_styles, call = config.model.name == "munit", f"unpaired translate {_quoted(name)} PICTURE_OR_FOLDER --to b"
    if has_styles:
        lines = [
            f"{call} --styles 5 --seed 0 --out translations",
            f"{call} --style EXAMPLE_OF_B.png --out translations",
        ]
        python = 'pictures = translator.translate("picture.png", to="b", num_styles=5, seed=0)  # a list of PIL images'
    else:
        attention = " --attention" if config.model.name == "ugatit" and config.model.generator.cam else ""
        lines = [f"{call} --original-size{attention} --out translations"]
        python = 'pictures = translator.translate("picture.png", to="b", original_size=True)  # a list of one PIL image'
    commands = "\n".join(lines)
    return f"""\
## On the command line
```bash
{commands}
```
`--to a` translates pictures of {config.domains.b} to {config.domains.a}. `unpaired translate --help` lists the rest.

## In Python
```python
import unpaired

translator = unpaired.load({json.dumps(name, ensure_ascii=False)})
{python}
pictures[0].save("translated.png")
```
"""


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _config(config: BundleConfig) -> str:
    return f"""\
## Configuration of the model
```yaml
{to_yaml(config.model).rstrip()}
```
"""
