"""A folder of pictures: decoding, translating and saving go on side by side, and none of them waits for another."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from PIL import Image

from unpaired.inference import jobs
from unpaired.inference.jobs import Job, run_jobs
from unpaired.inference.sources import Source
from unpaired.inference.styles import NO_STYLE

SECONDS = 20  # until a test gives up: nothing waits that long unless it waits forever
NUM_PICTURES = 5


@pytest.fixture
def folder(tmp_path: Path) -> list[Job]:
    found = []
    for number in range(NUM_PICTURES):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
        source = Source(path, Path(path.name), (8, 8))
        found.append(Job(source, (8, 8), (8, 8), (NO_STYLE,), (tmp_path / f"{number}-out.png",)))
    return found


class Steps:
    """Events of each picture by its number, and what waits for them."""

    def __init__(self) -> None:
        self.decoded, self.translated, self.saved = ([Event() for _ in range(NUM_PICTURES)] for _ in range(3))

    def await_(self, event: Event) -> None:
        assert event.wait(SECONDS), "it waits for what should go on meanwhile"


@pytest.fixture
def steps(monkeypatch) -> Steps:
    steps = Steps()
    read = jobs.read_picture

    def read_picture(path, background):
        picture = read(path, background)
        steps.decoded[int(path.stem)].set()
        return picture

    def write_picture(_image, path, _record):
        number = int(path.name[0])
        if number + 1 < NUM_PICTURES:
            steps.await_(steps.translated[number + 1])
        steps.saved[number].set()

    monkeypatch.setattr(jobs, "read_picture", read_picture)
    monkeypatch.setattr(jobs, "write_picture", write_picture)
    return steps


def test_the_next_pictures_are_decoded_and_the_last_are_saved_while_one_is_translated(folder, steps):
    def variants(x, _to, _codes):
        number = round((x[0, 0, 0, 0].item() + 1) * 127.5)
        for later in range(number + 1, min(number + 3, NUM_PICTURES)):
            steps.await_(steps.decoded[later])
        steps.translated[number].set()
        yield x

    data = SimpleNamespace(background=(255, 255, 255))
    bundle = SimpleNamespace(config=SimpleNamespace(data=data))
    translator = SimpleNamespace(bundle=bundle, max_pixels=2**20, variants=variants)
    told = []
    run_jobs(translator, folder, "b", batch_size=1, record=lambda *_: None, on_progress=lambda *n: told.append(n))
    assert all(event.is_set() for event in steps.saved)
    assert told == [(number, NUM_PICTURES) for number in range(1, NUM_PICTURES + 1)]
