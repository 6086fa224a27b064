"""What can be evaluated: a trained model, a folder of translations, and two baselines that give numbers a scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data.images import scaled
from unpaired.data.sampler import mixed_seed
from unpaired.evaluation.data import Pictures, endless_order, read_paths, read_pictures, view_of
from unpaired.evaluation.example_styles import example_codes
from unpaired.evaluation.settings import Settings
from unpaired.evaluation.subjects import Direction, fitted, to_bytes
from unpaired.evaluation.translated_folders import TranslatedFolder
from unpaired.inference.styles import random_styles
from unpaired.inference.translator import Translator
from unpaired.models.base import DOMAINS, Domain

Kind = Literal["model", "pictures", "baseline"]
Progress = Callable[[int, int], None]

BATCH_ON_ACCELERATORS = 8


class Candidate(Protocol):
    """Something that has translated the inputs of a direction, or can."""

    name: str
    kind: Kind
    facts: Mapping[str, str | int | None]
    directions: tuple[Domain, ...]
    translator: Translator | None

    def translations(self, direction: Direction, on_progress: Progress) -> Tensor:
        """Its translations (N, S, 3, H, W) of the direction's inputs, in bytes, at the direction's size."""
        ...


class ModelCandidate:
    """A trained model. Its styles are others for each picture, drawn as by `unpaired translate --fresh-styles`.

    Given `examples`, pictures of each domain that is translated to, they are the styles of some of these instead.
    Translations are rounded to 8 bits, so that a model and the pictures that it has saved give the same numbers.
    """

    kind: Kind = "model"

    def __init__(
        self,
        name: str,
        path: Path | None,
        translator: Translator,
        settings: Settings,
        examples: Mapping[Domain, Pictures] | None = None,
    ) -> None:
        config = translator.bundle.config
        self.name = name
        self.translator: Translator | None = translator
        self.directions: tuple[Domain, ...] = DOMAINS
        self.facts: Mapping[str, str | int | None] = {
            "path": None if path is None else str(path),
            "model": config.model.name,
            "step": config.step,
            "weights": config.weights,
            "weights_sha256": translator.bundle.fingerprint,
            "size": "x".join(map(str, config.data.size)),
        }
        self._translator = translator
        self._settings = settings
        self._examples = examples

    @property
    def view(self) -> DataConfig:
        """How pictures are made ready for this model."""
        return view_of(self._translator.bundle.config.data)

    @property
    def num_styles(self) -> int:
        """How many translations it makes of each picture."""
        return 1 if self._translator.style_dim is None else self._settings.num_styles

    def translations(self, direction: Direction, on_progress: Progress) -> Tensor:
        """Its translations (N, S, 3, H, W) of the direction's inputs, in bytes, at the direction's size."""
        found: list[Tensor] = []
        for labels, x in self._batches(direction):
            codes = self._codes(labels, direction.to)
            styles = [fitted(to_bytes(y), direction.view) for y in self._translator.variants(x, direction.to, codes)]
            found.append(torch.stack(styles, dim=1))
            on_progress(sum(map(len, found)), len(direction.inputs))
        return torch.cat(found)

    def _batches(self, direction: Direction) -> Iterator[tuple[tuple[str, ...], Tensor]]:
        """Labels and pictures (n, 3, h, w) in [-1, 1], as large as the model wants them."""
        inputs, view = direction.inputs, self.view
        x = direction.x if view == direction.view else read_pictures(inputs, view)
        num = self._settings.batch_size or (1 if self._translator.device.type == "cpu" else BATCH_ON_ACCELERATORS)
        for start in range(0, len(inputs), num):
            yield inputs.labels[start : start + num], scaled(x[start : start + num])

    def _codes(self, labels: tuple[str, ...], to: Domain) -> Tensor | None:
        """The codes of a batch (S, n, style_dim); None for a model with one answer a picture."""
        if self._translator.style_dim is None:
            return None
        num_styles, seed = self.num_styles, self._settings.seed
        if self._examples is not None:
            examples = self._examples[to]
            return example_codes(self._translator, examples, self.view, to, labels, num_styles=num_styles, seed=seed)
        drawn = [random_styles(self._translator, num_styles, seed, label) for label in labels]
        return torch.tensor([[style.code for style in styles] for styles in drawn]).transpose(0, 1)


class FolderCandidate:
    """Pictures that any program has translated and saved."""

    kind: Kind = "pictures"

    def __init__(self, name: str, found: TranslatedFolder) -> None:
        self.name = name
        self.translator: Translator | None = None
        self.directions: tuple[Domain, ...] = tuple(found.files)
        self.facts: Mapping[str, str | int | None] = {"path": str(found.folder)}
        self._files = found.files

    def labels(self, to: Domain) -> Mapping[str, tuple[Path, ...]]:
        """The files of each input that has some."""
        return self._files[to]

    def num_styles(self, to: Domain) -> int:
        """How many translations there are of every input that has some."""
        return min(len(files) for files in self._files[to].values())

    def translations(self, direction: Direction, on_progress: Progress) -> Tensor:
        """Its translations (N, S, 3, H, W) of the direction's inputs, in bytes, at the direction's size."""
        files = [self._files[direction.to][label] for label in direction.inputs.labels]
        num_styles = min(map(len, files))
        paths = [path for own in files for path in own[:num_styles]]
        cover = DataConfig(size=direction.size, resize="cover", background=direction.view.background)
        pictures = read_paths(paths, cover)
        on_progress(len(files), len(files))
        return pictures.reshape(len(files), num_styles, *pictures.shape[1:])


class UnchangedInputs:
    """The baseline that does nothing: what the numbers are for the inputs themselves."""

    name = "inputs unchanged"
    kind: Kind = "baseline"
    facts: Mapping[str, str | int | None] = {}
    directions: tuple[Domain, ...] = DOMAINS
    translator: Translator | None = None

    def translations(self, direction: Direction, on_progress: Progress) -> Tensor:
        """The inputs (N, 1, 3, H, W), in bytes."""
        on_progress(len(direction.x), len(direction.x))
        return direction.x[:, None]


class RealPictures:
    """The baseline that cheats: real training pictures of the target domain, which have nothing to do with the input.

    What a perfect painter would score who does not look at the input.
    """

    name = "random real pictures"
    kind: Kind = "baseline"
    facts: Mapping[str, str | int | None] = {}
    translator: Translator | None = None

    def __init__(self, train: Mapping[Domain, Pictures], settings: Settings) -> None:
        self.directions: tuple[Domain, ...] = tuple(train)
        self._train = train
        self._settings = settings

    def translations(self, direction: Direction, on_progress: Progress) -> Tensor:
        """Real pictures (N, S, 3, H, W), in bytes. Those that `one_each` takes repeat only when there are too few."""
        num_inputs, num_styles = len(direction.inputs), self._settings.num_styles
        train = self._train[direction.to]
        order = endless_order(len(train), num_inputs * num_styles, mixed_seed("baseline", self._settings.seed))
        inputs, styles = torch.arange(num_inputs)[:, None], torch.arange(num_styles)
        places = order[(styles - inputs) % num_styles * num_inputs + inputs]  # (N, S)
        used = sorted(set(places.flatten().tolist()))
        where = torch.searchsorted(torch.tensor(used), places)
        pictures = read_paths([train.paths[index] for index in used], direction.view)
        on_progress(num_inputs, num_inputs)
        return pictures[where]
