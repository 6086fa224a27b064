"""Learn to translate images between two folders without pairs, and use what was learned.

    import unpaired
    run = unpaired.train("cats", "dogs", preset="munit-small")
    translator = unpaired.load(run)
    pictures = translator.translate("cat.png", to="b", num_styles=5, seed=0)

Importing this package imports no torch: that happens when a function is called or `Translator` is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unpaired.evaluation.report import Evaluation
    from unpaired.inference.translator import Translator

    __version__: str

__all__ = ["Translator", "__version__", "evaluate", "load", "train"]


def load(model: str | Path, *, device: str = "auto", precision: str = "auto", raw: bool = False) -> Translator:
    """The translator of `model`: a run folder, a checkpoint file or a bundle folder.

    `device` is auto, cpu, cuda or mps; `precision` is fp32, bf16 or auto, which is bf16 on a CUDA device that has it.
    The moving average of the weights is used where there is one, the last weights with `raw`.
    Raises `unpaired.errors.UserError` when there is no usable model.
    """
    from unpaired.inference.translator import load as load_translator

    return load_translator(model, device=device, precision=precision, raw=raw)


def train(
    *folders: str | Path,
    preset: str | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    init: str | Path | None = None,
) -> Path:
    """Train on two folders of pictures, or one with trainA and trainB, and return the run folder.

    `preset` names the starting point, `config` is a YAML file, and `settings` has values by dotted path, as in
    `{"steps": 5000, "model.generator.dim": 32}`; each overrides those before it. `out` is the run folder (the next
    number in `runs`), `init` a bundle to take the weights from.

    Raises `unpaired.errors.UsageError` with everything that is wrong before anything is written, and
    `KeyboardInterrupt` when Ctrl-C or a signal ended the training, whose state is saved then.
    """
    from unpaired.config import Override
    from unpaired.training.job import TrainCall
    from unpaired.training.launch import launch

    call = TrainCall(
        folders=tuple(Path(folder) for folder in folders),
        preset=preset,
        config_file=None if config is None else Path(config),
        flags=tuple(Override(path, value, f"settings: {path}") for path, value in (settings or {}).items()),
        out=None if out is None else Path(out),
        init=None if init is None else Path(init),
    )
    result = launch(call)
    if result.exit_code:
        raise KeyboardInterrupt(f"stopped after {result.step} steps; saved in {result.folder}")
    return result.folder


def evaluate(
    *models: str | Path,
    data: str | Path,
    to: str | None = None,
    metrics: Sequence[str] | None = None,
    num_styles: int = 10,
    num_inputs: int | None = None,
    seed: int = 0,
    by_example: bool = False,
    distance: str | None = None,
    features: str | None = None,
    raw: bool = False,
    baselines: bool = True,
    device: str = "auto",
    out: str | Path | None = None,
) -> Evaluation:
    """What `models` (run folders, bundles, checkpoints or folders of translations) are worth on the folder `data`.

    `data` holds testA and testB. `to` is "a", "b" or None for both directions, `metrics` names as in
    `unpaired evaluate --help` (None: all that apply). `by_example`: with the styles of training pictures instead of
    random ones. With `out` the report is written there: `metrics.json` and `index.html` with the grids. Raises
    `unpaired.errors.UserError` with everything that is wrong.
    """
    from unpaired.errors import UsageError
    from unpaired.evaluation.evaluate import prepare, run
    from unpaired.evaluation.page import write_report
    from unpaired.evaluation.settings import Settings

    if to not in (None, "a", "b"):
        raise UsageError(f"to={to!r}: is not a domain", 'It takes "a", "b", or None for both.')
    settings = Settings(
        to=("b", "a") if to is None else ("a",) if to == "a" else ("b",),
        metrics=None if metrics is None else tuple(metrics),
        num_styles=num_styles,
        num_inputs=num_inputs,
        seed=seed,
        by_example=by_example,
        distance=distance,
        features=features,
        raw=raw,
        baselines=baselines,
        device=device,
    )
    folder = None if out is None else Path(out)
    evaluation = run(prepare([Path(model) for model in models], Path(data), settings), lambda *_: None, folder=folder)
    if folder is not None:
        write_report(evaluation, folder)
    return evaluation


def __getattr__(name: str) -> object:
    if name == "Translator":
        from unpaired.inference.translator import Translator

        return Translator
    if name == "__version__":
        from importlib.metadata import version

        return version("unpaired")
    raise AttributeError(f"module 'unpaired' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
