"""One picture in several styles, from file to files, with networks that are loaded already."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.speed.comparison import REFERENCE, Comparison, ours, products
from benchmarks.speed.contest import Round
from benchmarks.speed.counts import translation_macs
from benchmarks.speed.records import Record
from benchmarks.speed.tasks import Call, OwnTask, Precision
from benchmarks.speed.untrained import write_picture, write_untrained_bundle
from benchmarks.speed.worker import Contender, Unit

from benchmarks.speed import munit_reference
from unpaired.config import RunConfig
from unpaired.models.munit.config import MunitConfig
from unpaired.presets import PRESETS


@dataclass(frozen=True, kw_only=True)
class Translation(OwnTask):
    """The reference as its test.py does it, ours as `unpaired translate` does: JPEG files there, PNG files here."""

    preset: str
    size: int
    num_styles: int

    @property
    def reference(self) -> str:
        """The clone of MUNIT."""
        return "munit"

    def contenders(self, call: Call) -> Mapping[str, Contender]:
        """The reference, ours in each precision, and what the machine could do in it."""
        own = {ours(precision): self.own(call, precision) for precision in call.precisions}
        return {REFERENCE: self._reference(call), **own, **products(call.precisions, call.device)}

    def own(self, call: Call, precision: Precision) -> Contender:
        """Our translation."""
        config, picture = replace(self._config(call), precision=precision), self._picture(call)
        return partial(translation, config, picture, picture.parent / precision, self.num_styles)

    def records(self, call: Call, rounds: Sequence[Round]) -> list[Record]:
        """One record a precision."""
        model = PRESETS[self.preset]().model
        assert isinstance(model, MunitConfig)
        needed = translation_macs(model, self.size, self.num_styles)
        comparison = Comparison(self.name, self.preset, self.size, 1, needed, call.device)
        return [comparison.record(precision, rounds) for precision in call.precisions]

    def _reference(self, call: Call) -> Contender:
        assert call.munit is not None, "the command line asks for it"
        picture = self._picture(call)
        out = picture.parent / "reference"
        return partial(munit_reference.translation, call.munit, self._config(call), picture, out, self.num_styles)

    def _config(self, call: Call) -> RunConfig:
        config = replace(PRESETS[self.preset](), device=call.device)
        return replace(config, data=replace(config.data, size=(self.size, self.size)))

    def _picture(self, call: Call) -> Path:
        return write_picture(call.workspace / self.name / "picture.png", self.size)


def translation(config: RunConfig, picture: Path, out: Path, num_styles: int) -> Unit:
    """`picture` translated to domain b in random styles and written into a new folder in `out`."""
    from unpaired.cli.translate_plan import TranslateCall, prepare, translate_all

    out.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=out))  # versions of the same precision work side by side
    bundle = place / "bundle"
    write_untrained_bundle(config, bundle)
    call = TranslateCall(
        model=bundle,
        inputs=(picture,),
        to="b",
        num_styles=str(num_styles),
        out=place / "translations",
        device=config.device,
        precision=config.precision,
        overwrite=True,
    )
    return partial(translate_all, prepare(call), _ignore)


def _ignore(_num_done: int, _num_all: int) -> None:
    """What is told of the progress."""
