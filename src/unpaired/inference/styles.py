"""Where the styles of a call come from: drawn from a seed, encoded from examples, or read from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unpaired.data.images import BadPicture, check_picture
from unpaired.data.sampler import mixed_seed
from unpaired.errors import Problem, UserError
from unpaired.inference.records import Code, read_styles
from unpaired.inference.sources import shortened
from unpaired.inference.translator import Translator
from unpaired.models.base import Domain


@dataclass(frozen=True)
class Style:
    """One style of a call. `name` is part of the file names; `seed` is None unless the code was drawn from it.

    Without a `code` it stands for the one answer of a model without styles.
    """

    code: Code | None
    index: int
    origin: str
    name: str
    seed: int | None = None


NO_STYLE = Style(None, 0, "", "")


def result_name(label: str, to: Domain, style: Style) -> str:
    """The file name of a result. Differs for all labels and styles: a style's name holds no `-` after its number."""
    if style.code is None:
        return f"{label}-to-{to}.png"
    return f"{label}-to-{to}-style{style.index:02d}-{style.name}.png"


def heat_map_name(label: str, to: Domain) -> str:
    """The file name of a picture's heat-map."""
    return f"{label}-to-{to}-attention.png"


def short_name(text: str) -> str:
    """`text` as a part of a file name: letters, digits and `_` only, at most 50 bytes."""
    return shortened(re.sub(r"\W+", "_", text), 50)


def random_styles(translator: Translator, num_styles: int, seed: int, picture: str = "") -> list[Style]:
    """Styles drawn from `seed`, and from the label of the `picture` if each picture is to have its own."""
    own_seed = mixed_seed(seed, picture) if picture else seed
    name = f"seed{seed}_fresh" if picture else f"seed{seed}"
    origin = f"seed {seed} and {picture}" if picture else f"seed {seed}"
    codes = translator.draw_styles(num_styles, own_seed).tolist()
    return [Style(tuple(code), index, origin, name, seed) for index, code in enumerate(codes)]


def example_styles(
    translator: Translator | None, paths: Sequence[Path], to: Domain, problems: list[Problem]
) -> list[Style]:
    """The styles of the pictures `paths` of domain `to`; what is wrong with them is added to `problems`.

    Without a `translator`, which the caller could not open, the pictures are checked all the same.
    """
    whole = []
    for path in paths:
        try:
            check_picture(path)
            whole.append(path)
        except BadPicture as bad:
            problems.append(Problem(f"--style {path}: cannot be read ({bad.reason})", "Give whole picture files."))
    if translator is None:
        return []
    codes = [tuple(translator.style_of(path, to)[0].tolist()) for path in whole]
    return [
        Style(code, index, f"example {path.name}", f"like_{short_name(path.stem)}")
        for index, (path, code) in enumerate(zip(whole, codes, strict=True))
    ]


def saved_styles(
    translator: Translator | None, paths: Sequence[Path], to: str, problems: list[Problem]
) -> tuple[list[Style], list[str]]:
    """The styles in the files `paths`, and notes about them; what is wrong with them is added to `problems`."""
    styles: list[Style] = []
    notes: list[str] = []
    for path in paths:
        try:
            file = read_styles(path)
        except UserError as error:
            problems += [replace(problem, message=f"--style-code {problem.message}") for problem in error.problems]
            continue
        if file.to != to:
            problems.append(Problem(f"--style-code {path}: holds styles of domain {file.to}", f"Use --to {file.to}."))
        if translator is None:
            continue
        lengths = {len(style.code) for style in file.styles}
        if lengths != {translator.style_dim}:
            message = f"--style-code {path}: codes of {max(lengths)} numbers do not fit, the model's have "
            problems.append(Problem(f"{message}{translator.style_dim}", "Use the model that they were made for."))
        if file.weights_sha256 != translator.bundle.fingerprint:
            notes.append(f"the styles of {path} were made for other weights: they mean something else here")
        styles += [
            Style(saved.code, len(styles) + number, f"code of {path.name}", f"code_{short_name(path.stem)}")
            for number, saved in enumerate(file.styles)
        ]
    return styles, notes
