"""From what was typed after `unpaired translate` to jobs that can start, with all problems of the call together."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from unpaired.cli.numbers import whole_number
from unpaired.errors import Problem, UserError, raise_if_any

if TYPE_CHECKING:
    from unpaired.inference.jobs import Job
    from unpaired.inference.records import Record
    from unpaired.inference.sources import Source
    from unpaired.inference.styles import Style
    from unpaired.inference.translator import Translator
    from unpaired.models.base import Domain

_BATCH_ON_ACCELERATORS = 8  # on a CPU batches gain nothing, and single pictures come out the same in every call
_MAX_NAMED = 3
_NO_MEMORY = re.compile("out of memory|not enough memory|to allocate")


@dataclass(frozen=True, kw_only=True)
class TranslateCall:
    """What was typed."""

    model: Path
    inputs: tuple[Path, ...]
    to: str
    num_styles: str | None = None
    examples: tuple[Path, ...] = ()
    code_files: tuple[Path, ...] = ()
    save_styles: Path | None = None
    seed: str = "0"
    fresh_styles: bool = False
    out: Path = Path("translations")
    size: str | None = None
    original_size: bool = False
    attention: bool = False
    batch: str | None = None
    raw: bool = False
    device: str = "auto"
    precision: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a call. Where one is wrong its default is here, and a problem among the call's."""

    num_styles: int
    seed: int
    batch_size: int | None
    size: int | Literal["original"] | None


@dataclass(frozen=True)
class Plan:
    """A call that can start: nothing is known to be wrong with it."""

    call: TranslateCall
    translator: Translator
    jobs: tuple[Job, ...]
    batch_size: int
    notes: tuple[str, ...]

    @property
    def to(self) -> Domain:
        """The domain to translate to."""
        return cast("Domain", self.call.to)

    def summary(self) -> list[str]:
        """What to say when all is done."""
        from unpaired.data.listing import counted

        num_styles = len(self.jobs[0].styles)
        made = counted(len(self.jobs) * num_styles, "picture")
        of = counted(len(self.jobs), "input")
        if self.translator.style_dim is not None:
            of += f" x {counted(num_styles, 'style')}"
        lines = [f"Wrote {made} ({of}) to {self.call.out}"]
        if self.call.attention:
            lines.append("Beside each: where the model looks, from dark blue (least) to red (most)")
        if self.call.save_styles is not None:
            lines.append(f"Wrote their styles to {self.call.save_styles}: use them again with --style-code")
        return [*lines, *(f"note: {note}" for note in self.notes)]


def prepare(call: TranslateCall) -> Plan:
    """The plan that `call` asks for. Raises one `UsageError` with everything that is wrong; writes nothing."""
    from unpaired.inference.sources import find_sources

    problems: list[Problem] = []
    numbers = _numbers(call, problems)
    problems += _call_problems(call)
    sources, source_problems = find_sources(call.inputs, call.out)
    problems += [*source_problems, *_out_problems(call)]
    translator = _translator(call, problems)
    styles, notes = _styles(call, numbers, translator, problems)
    notes = [*notes, *_fixed_size_notes(call, translator)]
    jobs = _jobs(call, numbers, translator, sources, styles, problems)
    problems += _target_problems(call, jobs)
    raise_if_any(problems)
    assert translator is not None
    on_cpu = translator.device.type == "cpu"
    batch_size = numbers.batch_size or (1 if on_cpu else _BATCH_ON_ACCELERATORS)
    return Plan(call, translator, tuple(jobs), batch_size, tuple(notes))


def translate_all(plan: Plan, on_progress: Callable[[int, int], None]) -> None:
    """Make every picture of `plan`. Raises `UserError`; what was written before stays."""
    from unpaired.inference.jobs import run_jobs
    from unpaired.inference.records import SavedStyle, write_styles

    fingerprint = plan.translator.bundle.fingerprint
    if plan.call.save_styles is not None:
        saved = [SavedStyle(code=style.code, origin=style.origin) for style in plan.jobs[0].styles if style.code]
        write_styles(plan.call.save_styles, plan.to, fingerprint, saved)
    with _memory_explained(plan):
        run_jobs(
            plan.translator,
            plan.jobs,
            plan.to,
            batch_size=plan.batch_size,
            record=lambda job, style: _record(plan, fingerprint, job, style),
            on_progress=on_progress,
        )


def _record(plan: Plan, fingerprint: str, job: Job, style: Style) -> Record:
    from importlib.metadata import version

    from unpaired.inference.records import Record

    config = plan.translator.bundle.config
    return Record(
        version=version("unpaired"),
        model=str(plan.call.model),
        weights_sha256=fingerprint,
        weights=config.weights,
        precision=plan.translator.precision,
        step=config.step,
        to=plan.to,
        style=style.code,
        style_index=style.index,
        style_from=style.origin,
        seed=style.seed,
        source=job.source.path.name,
        working_size=job.working_size,
        size=job.size,
    )


def _numbers(call: TranslateCall, problems: list[Problem]) -> _Numbers:
    from unpaired.inference.checks import MAX_SEED

    size: int | Literal["original"] | None = "original"
    if call.size != "original":
        size = whole_number("--size", call.size, 1, 2**16, problems, '"original", or a number of pixels')
    return _Numbers(
        num_styles=whole_number("--styles", call.num_styles, 1, 10_000, problems) or 1,
        seed=whole_number("--seed", call.seed, 0, MAX_SEED, problems) or 0,
        batch_size=whole_number("--batch", call.batch, 1, 10_000, problems),
        size=size,
    )


def _call_problems(call: TranslateCall) -> list[Problem]:
    """What is wrong between flags, or missing."""
    found = []
    if not call.inputs:
        found.append(Problem("No pictures to translate were given", "Name them after MODEL, before --style."))
    given = {"--styles": call.num_styles, "--style": call.examples, "--style-code": call.code_files}
    ways = [flag for flag, value in given.items() if value]
    if len(ways) > 1:
        found.append(Problem(f"{' and '.join(ways)} do not go together", "Styles come from one of them: leave one."))
    if call.fresh_styles and (call.examples or call.code_files):
        found.append(Problem("--fresh-styles does not go with given styles", "It is for random ones: leave it out."))
    if call.fresh_styles and call.save_styles:
        found.append(
            Problem(
                "--save-styles does not go with --fresh-styles: every picture has other styles",
                "Each result holds its own code: give the PNG to --style-code.",
            )
        )
    return found


def _out_problems(call: TranslateCall) -> list[Problem]:
    """Why the results could not be written, as far as permissions tell."""
    found = []
    if call.out.exists() and not call.out.is_dir():
        found.append(Problem(f"--out {call.out}: is a file", "Name a folder."))
    elif place := _not_writable(call.out):
        found.append(Problem(f"--out {call.out}: cannot write in {place}", "Choose a folder you can write to."))
    if call.save_styles is None:
        return found
    if call.save_styles.is_dir():
        found.append(Problem(f"--save-styles {call.save_styles}: is a folder", "Name a file, such as styles.json."))
    elif call.save_styles.exists() and not call.overwrite:
        found.append(Problem(f"--save-styles {call.save_styles}: exists", "Choose another name, or add --overwrite."))
    elif place := _not_writable(call.save_styles.parent):
        found.append(Problem(f"--save-styles {call.save_styles}: cannot write in {place}", "Choose another folder."))
    return found


def _not_writable(folder: Path) -> Path | None:
    """The nearest existing place at or above `folder` if nothing can be written into it."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return None if place.is_dir() and os.access(place, os.W_OK | os.X_OK) else place


def _translator(call: TranslateCall, problems: list[Problem]) -> Translator | None:
    from unpaired.inference.bundle import open_model
    from unpaired.inference.translator import Translator

    device, precision = _device_and_precision(call, problems)
    try:
        bundle = open_model(call.model, raw=call.raw)
    except UserError as error:
        problems += error.problems
        if call.to not in ("a", "b"):
            problems.append(Problem(f"--to {call.to}: there is no such domain", "It takes a or b."))
        return None
    if call.to not in ("a", "b"):
        hint = f"It takes {bundle.config.describe_domains()}."
        problems.append(Problem(f"--to {call.to}: there is no such domain", hint))
        return None
    return Translator(bundle, device=device, precision=precision)


def _device_and_precision(call: TranslateCall, problems: list[Problem]) -> tuple[str, str]:
    """Those of the call; others, to find what else is wrong, where this machine has none such."""
    import torch

    from unpaired.inference.devices import choose_device, choose_precision

    device, precision = call.device, call.precision
    try:
        choose_device(device)
    except UserError as error:
        problems += error.problems
        device = "cpu"
    try:
        choose_precision(precision, torch.device("cpu"))
    except UserError as error:
        problems += error.problems
        precision = "fp32"
    return device, precision


def _styles(
    call: TranslateCall, numbers: _Numbers, translator: Translator | None, problems: list[Problem]
) -> tuple[list[Style], list[str]]:
    """The styles that all pictures share (with --fresh-styles: as many, to be replaced), and notes about them."""
    from unpaired.inference.styles import NO_STYLE, example_styles, random_styles, saved_styles

    if translator is not None and translator.style_dim is None:
        problems += _no_styles_problems(call)
        return [NO_STYLE], []
    if call.examples:
        return example_styles(translator, call.examples, cast("Domain", call.to), problems), []
    if call.code_files:
        return saved_styles(translator, call.code_files, call.to, problems)
    return random_styles(translator, numbers.num_styles, numbers.seed) if translator else [], []


def _no_styles_problems(call: TranslateCall) -> list[Problem]:
    """The flags about styles of a call whose model has one answer a picture."""
    given = {
        "--styles": call.num_styles,
        "--style": call.examples,
        "--style-code": call.code_files,
        "--save-styles": call.save_styles,
        "--fresh-styles": call.fresh_styles,
    }
    return [
        Problem(f"{flag}: this model has one answer a picture, without styles", "Leave it out.")
        for flag, value in given.items()
        if value
    ]


def _jobs(
    call: TranslateCall,
    numbers: _Numbers,
    translator: Translator | None,
    sources: Sequence[Source],
    styles: Sequence[Style],
    problems: list[Problem],
) -> list[Job]:
    from unpaired.data.images import MAX_PIXELS
    from unpaired.inference.jobs import Job
    from unpaired.inference.styles import heat_map_name, random_styles, result_name

    if translator is None:
        return []
    found = _model_problems(call, numbers, translator)
    problems += found
    to = cast("Domain", call.to)
    jobs = []
    for source in sources:
        work = translator.working_size(source.size, None if found else numbers.size)
        if work[0] * work[1] > MAX_PIXELS:
            message = f"{source.path}: too elongated ({source.size[0]}x{source.size[1]} pixels, height x width)"
            problems.append(Problem(message, "Crop it, or work at fewer pixels: --size N."))
        own = random_styles(translator, len(styles), numbers.seed, str(source.label)) if call.fresh_styles else styles
        folder = call.out / source.label.parent
        targets = tuple(folder / result_name(source.label.name, to, style) for style in own)
        heat_map = folder / heat_map_name(source.label.name, to) if call.attention else None
        size = source.size if call.original_size else work
        jobs.append(Job(source, work, size, tuple(own), targets, heat_map))
    return jobs


def _model_problems(call: TranslateCall, numbers: _Numbers, translator: Translator) -> list[Problem]:
    """The flags that this model does not know."""
    found = []
    if call.attention and not translator.has_attention:
        name = translator.bundle.config.model.name
        hint = "Leave it out: only U-GAT-IT has attention, when trained with model.generator.cam."
        found.append(Problem(f"--attention: this {name} model has no attention", hint))
    fixed = translator.fixed_size
    if fixed is not None and numbers.size is not None and numbers.size != min(fixed):
        message = f"--size {call.size}: this model is tied to the size it was trained at, {fixed[0]}x{fixed[1]} px"
        found.append(Problem(message, "Leave it out: pictures are scaled to it, and back with --original-size."))
    return found


def _fixed_size_notes(call: TranslateCall, translator: Translator | None) -> list[str]:
    if translator is None or translator.fixed_size is None or call.original_size:
        return []
    height, width = translator.fixed_size
    return [
        f"this model knows {height}x{width} px alone (height x width): pictures of another shape were stretched to it; "
        "--original-size gives them their own size and shape back"
    ]


def _target_problems(call: TranslateCall, jobs: Sequence[Job]) -> list[Problem]:
    inputs = {job.source.path.resolve() for job in jobs}
    existing = [target for job in jobs for target in job.files if target.exists()]
    own = [target for target in existing if target.resolve() in inputs]
    if own:
        return [Problem(f"{own[0]}: is an input and would be written over", "Choose another folder with --out.")]
    if not existing or call.overwrite:
        return []
    named = ", ".join(str(target) for target in existing[:_MAX_NAMED])
    more = f" and {len(existing) - _MAX_NAMED:,} more" if len(existing) > _MAX_NAMED else ""
    return [Problem(f"{named}{more}: exists already", "Choose another --out, or replace it with --overwrite.")]


@contextlib.contextmanager
def _memory_explained(plan: Plan) -> Iterator[None]:
    """Turn running out of memory into a `UserError` that says what was tried and the ways out."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not _NO_MEMORY.search(str(error)):
            raise
        height, width = max((job.working_size for job in plan.jobs), key=lambda size: size[0] * size[1])
        raise UserError(
            f"Out of memory: batches of up to {plan.batch_size}, pictures of up to {height}x{width} px",
            f"Lower --batch or --size, or use --device cpu. What was written before is whole: {plan.call.out}",
        ) from error
