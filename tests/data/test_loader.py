from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from unpaired.config import DataConfig
from unpaired.data import loader
from unpaired.data.faces import Box
from unpaired.data.folders import PictureFolders, open_folders
from unpaired.data.images import scaled, scaled_alone
from unpaired.data.loader import LoadedBatch, fixed_pictures, training_batches
from unpaired.errors import UserError

Pictures = Callable[..., Path]
STREAMED = {"workers": 0, "cache_mib": 0}
WITH_WORKERS = {"workers": 2}


@pytest.fixture
def noisy(tmp_path: Path) -> PictureFolders:
    """7 pictures of a and 5 of b, each 24x20 and full of noise."""
    rng = np.random.default_rng(0)
    found: dict[str, tuple[Path, ...]] = {}
    for domain, count in (("a", 7), ("b", 5)):
        (tmp_path / domain).mkdir()
        found[domain] = tuple(tmp_path / domain / f"{number}.png" for number in range(count))
        for path in found[domain]:
            Image.fromarray(rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(path)
    return PictureFolders(**found)


def batches(
    folders: PictureFolders, count: int, *, batch_size: int = 2, seed: int = 0, start_step: int = 0, **settings: object
) -> list[tuple[Tensor, Tensor]]:
    data = DataConfig(size=(16, 12), resize="none", **settings)
    with closing(training_batches(folders, data, batch_size=batch_size, seed=seed, start_step=start_step)) as endless:
        return [(batch.x_a, batch.x_b) for batch in islice(endless, count)]


def are_equal(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(x, y) for pair, pair_2 in zip(one, other, strict=True) for x, y in zip(pair, pair_2, strict=True)
    )


def test_batches_are_floats_of_the_size_asked_for(noisy: PictureFolders) -> None:
    for x in batches(noisy, 1, batch_size=3)[0]:
        assert x.shape == (3, 3, 16, 12)
        assert x.dtype == torch.float32
        assert -1 <= x.min() < -0.9
        assert 0.9 < x.max() <= 1


@pytest.mark.parametrize("settings", [STREAMED, WITH_WORKERS], ids=["from disk", "two workers"])
def test_batches_are_the_same_however_they_are_loaded(noisy: PictureFolders, settings: dict[str, int]) -> None:
    kept = batches(noisy, 12)
    assert are_equal(batches(noisy, 12, **settings), kept)
    assert are_equal(batches(noisy, 7, start_step=5, **settings), kept[5:])


@pytest.fixture
def marked(tmp_path: Path) -> PictureFolders:
    """8 pictures of a with one white square each and its box; the last has none. Those of b have no boxes."""
    rng = np.random.default_rng(1)
    (tmp_path / "marked").mkdir()
    faces: dict[Path, Box] = {}
    paths = []
    for number in range(8):
        paths.append(tmp_path / "marked" / f"{number}.png")
        image = Image.new("RGB", (48, 40))
        if number < 7:
            left, top = (int(x) for x in rng.integers(4, 28, 2))
            image.paste((255, 255, 255), (left, top, left + 10, top + 8))
            faces[paths[-1]] = (left / 48, top / 40, (left + 10) / 48, (top + 8) / 40)
        image.save(paths[-1])
    return PictureFolders(tuple(paths), tuple(paths), faces_a=faces)


def with_boxes(folders: PictureFolders, count: int, **settings: object) -> list[LoadedBatch]:
    data = DataConfig(size=(32, 28), resize="stretch", margin=8, **settings)
    with closing(training_batches(folders, data, batch_size=4, seed=0)) as endless:
        return list(islice(endless, count))


def white_centre(picture: Tensor) -> list[float]:
    light = (picture[0] + 1) / 2
    x = (light.sum(0) * (torch.arange(light.shape[1]) + 0.5)).sum() / light.sum()
    y = (light.sum(1) * (torch.arange(light.shape[0]) + 0.5)).sum() / light.sum()
    return [float(x), float(y)]


def test_boxes_come_with_their_pictures(marked: PictureFolders) -> None:
    num_inside = 0
    for batch in with_boxes(marked, 20):
        assert batch.faces_b is None
        assert batch.faces_a is not None
        for picture, box, present in zip(batch.x_a, batch.faces_a.boxes, batch.faces_a.present, strict=True):
            left, top, right, bottom = box.tolist()
            if left < 1 or top < 1 or right > 27 or bottom > 31:
                continue  # its centre of light is not that of its box
            num_inside += 1
            assert present
            assert white_centre(picture) == pytest.approx([(left + right) / 2, (top + bottom) / 2], abs=0.2)
    assert num_inside > 30


def test_a_face_of_which_under_half_is_left_counts_as_none(marked: PictureFolders) -> None:
    shares = {True: [], False: []}
    for batch in with_boxes(marked, 30):
        assert batch.faces_a is not None
        for picture, present in zip(batch.x_a, batch.faces_a.present.tolist(), strict=True):
            area_px = 10 * 8 * (36 / 48) * (40 / 40)
            shares[present].append(float((picture[0] + 1).sum() / 2) / area_px)
    assert 0.45 < min(shares[True]) < 0.9
    assert max(shares[False]) < 0.55
    assert 0 in shares[False]


def test_boxes_change_nothing_about_the_pictures(marked: PictureFolders) -> None:
    for batch, plain in zip(with_boxes(marked, 9), with_boxes(replace(marked, faces_a=None), 9), strict=True):
        assert plain.faces_a is None
        assert torch.equal(batch.x_a, plain.x_a)
        assert torch.equal(batch.x_b, plain.x_b)


@pytest.mark.parametrize("settings", [STREAMED, WITH_WORKERS], ids=["from disk", "two workers"])
def test_boxes_are_the_same_however_they_are_loaded(marked: PictureFolders, settings: dict[str, int]) -> None:
    for batch, kept in zip(with_boxes(marked, 6, **settings), with_boxes(marked, 6), strict=True):
        assert batch.faces_a is not None
        assert kept.faces_a is not None
        assert torch.equal(batch.x_a, kept.x_a)
        assert torch.equal(batch.faces_a.boxes, kept.faces_a.boxes)
        assert torch.equal(batch.faces_a.present, kept.faces_a.present)


@pytest.mark.skipif(sys.platform != "linux", reason="it is the only way there")
def test_batches_are_the_same_from_spawned_workers(noisy: PictureFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_process_context", lambda: multiprocessing.get_context("spawn"))
    assert are_equal(batches(noisy, 5, **WITH_WORKERS), batches(noisy, 5))


def test_a_later_start_goes_on_where_an_earlier_one_stopped(noisy: PictureFolders) -> None:
    assert are_equal(batches(noisy, 20)[9:], batches(noisy, 11, start_step=9))


def test_batches_depend_on_the_seed_and_on_no_global_state(noisy: PictureFolders) -> None:
    torch.manual_seed(1)
    first = batches(noisy, 3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert are_equal(batches(noisy, 3), first)
    assert are_equal(batches(noisy, 3, workers=1), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not are_equal(batches(noisy, 3, seed=1), first)


def greys(x: Tensor) -> list[int]:
    """The number that the fixture gave each picture, from its colour."""
    return [round((float(picture[0, 0, 0]) + 1) * 127.5) for picture in x]


def plain(pictures: Pictures, num_a: int, num_b: int) -> PictureFolders:
    a, b = pictures("a", num_a), pictures("b", num_b)
    return PictureFolders(a=tuple(sorted(a.iterdir())), b=tuple(sorted(b.iterdir())))


def endless_greys(folders: PictureFolders, *, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[tuple]:
    data = DataConfig(size=(16, 16))
    pairs = training_batches(folders, data, batch_size=batch_size, seed=3, rank=rank, world_size=world_size)
    return ((greys(batch.x_a), greys(batch.x_b)) for batch in pairs)


def test_folders_of_different_length_are_both_used_whole(pictures: Pictures) -> None:
    drawn = list(islice(endless_greys(plain(pictures, 6, 10), batch_size=2), 15))
    a, b = ([grey for pair in drawn for grey in pair[domain]] for domain in (0, 1))
    for epoch in range(5):
        assert sorted(a[6 * epoch :][:6]) == list(range(6))
    for epoch in range(3):
        assert sorted(b[10 * epoch :][:10]) == list(range(10))
    assert a[:6] != a[6:12]


def test_processes_draw_different_pictures_and_together_all(pictures: Pictures) -> None:
    folders = plain(pictures, 12, 12)
    ranks = [list(islice(endless_greys(folders, batch_size=2, rank=rank, world_size=3), 2)) for rank in range(3)]
    for domain in (0, 1):
        drawn = [grey for rank in ranks for pair in rank for grey in pair[domain]]
        assert sorted(drawn) == list(range(12))


def test_a_batch_may_be_larger_than_the_folder(pictures: Pictures) -> None:
    a, b = next(endless_greys(plain(pictures, 3, 2), batch_size=6))
    assert sorted(a) == [0, 0, 1, 1, 2, 2]
    assert sorted(b) == [0, 0, 0, 1, 1, 1]


def test_the_same_picture_is_augmented_anew_in_each_epoch(noisy: PictureFolders) -> None:
    one = PictureFolders(a=noisy.a[:1], b=noisy.b[:1])
    x = torch.cat([a for a, _ in batches(one, 12, batch_size=1)])
    assert len({picture.numpy().tobytes() for picture in x}) > 6


def test_without_flip_pictures_keep_their_side(noisy: PictureFolders) -> None:
    one = PictureFolders(a=noisy.a[:1], b=noisy.b[:1])
    whole = fixed_pictures(one.a, DataConfig(size=(24, 20)), 1)
    for flip, num_directions in ((False, 1), (True, 2)):
        data = DataConfig(size=(24, 20), flip=flip)
        with closing(training_batches(one, data, batch_size=12, seed=0)) as endless:
            x = next(endless).x_a
        found = {picture.numpy().tobytes() for picture in x}
        assert len(found) == num_directions
        assert whole[0].numpy().tobytes() in found


def test_all_bytes_are_scaled_as_everywhere_else() -> None:
    bytes_ = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    found = scaled_alone(bytes_.numpy())
    assert torch.equal(found, scaled(bytes_))
    assert found.data_ptr() % 64 == 0, "products may depend on where their numbers lie"


def test_pictures_decoded_for_the_same_settings_are_used(noisy: PictureFolders) -> None:
    data = DataConfig(a=str(noisy.a[0].parent), b=str(noisy.b[0].parent), size=(16, 12), resize="none")
    expected = list(islice(training_batches(noisy, data, batch_size=2, seed=0), 3))
    folders, _ = open_folders(data)
    for path in (*noisy.a, *noisy.b):
        path.unlink()
    found = list(islice(training_batches(folders, data, batch_size=2, seed=0), 3))
    assert are_equal([batch[:2] for batch in found], [batch[:2] for batch in expected])
    with pytest.raises(UserError, match="cannot be read any more"):
        next(training_batches(folders, replace(data, resize="cover"), batch_size=2, seed=0))


def test_pictures_kept_in_memory_survive_the_loss_of_their_file(pictures: Pictures) -> None:
    folders = plain(pictures, 2, 2)
    with closing(training_batches(folders, DataConfig(size=(16, 16)), batch_size=2, seed=0)) as endless:
        next(endless)
        folders.a[0].unlink()
        assert len(list(islice(endless, 4))) == 4


@pytest.mark.parametrize("settings", [{}, STREAMED, WITH_WORKERS], ids=["in memory", "from disk", "two workers"])
@pytest.mark.parametrize("content", [None, b"broken"], ids=["gone", "broken"])
def test_a_lost_file_is_named(pictures: Pictures, settings: dict[str, int], content: bytes | None) -> None:
    folders = plain(pictures, 2, 2)
    folders.b[1].unlink()
    if content:
        folders.b[1].write_bytes(content)
    endless = training_batches(folders, DataConfig(size=(16, 16), **settings), batch_size=2, seed=0)
    with pytest.raises(UserError) as caught:
        next(endless)
    assert str(folders.b[1]) in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not loading_processes()


def loading_processes() -> list[multiprocessing.process.BaseProcess]:
    return [process for process in multiprocessing.active_children() if process.is_alive()]


def with_two_workers(folders: PictureFolders) -> Generator[LoadedBatch]:
    return training_batches(folders, DataConfig(size=(16, 16), workers=2), batch_size=1, seed=0)


def test_closing_ends_the_processes(pictures: Pictures) -> None:
    endless = with_two_workers(plain(pictures, 2, 2))
    next(endless)
    assert len(loading_processes()) == 2
    endless.close()
    assert not loading_processes()


def test_a_worker_that_crashes_while_it_is_ended_is_no_error(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter as LoaderIterator

    end = LoaderIterator._shutdown_workers

    def end_with_a_crash(self: LoaderIterator) -> None:
        end(self)
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Aborted.")

    monkeypatch.setattr(LoaderIterator, "_shutdown_workers", end_with_a_crash)
    monkeypatch.setattr(LoaderIterator, "__del__", end)
    endless = with_two_workers(plain(pictures, 2, 2))
    next(endless)
    endless.close()
    assert not loading_processes()


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_leave_an_interrupt_to_the_main_process(pictures: Pictures, number: signal.Signals) -> None:
    with closing(with_two_workers(plain(pictures, 2, 2))) as endless:
        assert len(list(islice(endless, 2))) == 2  # one from each, so both have started
        for process in loading_processes():
            assert process.pid
            os.kill(process.pid, number)
        assert len(list(islice(endless, 30))) == 30
        assert len(loading_processes()) == 2
    assert not loading_processes()


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals there")
def test_a_killed_worker_is_reported_with_a_way_out(pictures: Pictures) -> None:
    endless = with_two_workers(plain(pictures, 2, 2))
    next(endless)
    loading_processes()[0].kill()
    with pytest.raises(UserError, match=r"data\.workers=0"):
        list(islice(endless, 50))
    assert not loading_processes()


UNGUARDED = """
from pathlib import Path
from unpaired.config import DataConfig
from unpaired.data.faces import Box
from unpaired.data.folders import PictureFolders
from unpaired.data.loader import training_batches
x = [Path("x.png")]
next(training_batches(PictureFolders(a=x, b=x), DataConfig(workers=1), batch_size=1, seed=0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it may wait for its processes there")
def test_a_script_that_cannot_start_processes_is_told_why() -> None:
    ran = subprocess.run([sys.executable, "-"], input=UNGUARDED, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert 'below `if __name__ == "__main__":`' in ran.stderr


def test_a_bug_in_a_worker_is_not_blamed_on_memory(pictures: Pictures) -> None:
    folders = plain(pictures, 2, 2)
    data = DataConfig(size=(99, 99), resize="none", workers=1)  # open_folders refuses these pictures
    with pytest.raises(AssertionError):
        next(training_batches(folders, data, batch_size=1, seed=0))


def test_fixed_pictures_are_evenly_spaced(pictures: Pictures) -> None:
    paths = sorted(pictures("a", 10).iterdir())
    data = DataConfig(size=(16, 16))
    assert greys(fixed_pictures(paths, data, 4)) == [0, 2, 5, 7]
    assert greys(fixed_pictures(paths, data, 10)) == list(range(10))
    assert greys(fixed_pictures(paths[:3], data, 8)) == [0, 1, 2]
    assert fixed_pictures([], data, 8).shape == (0, 3, 16, 16)


def test_fixed_pictures_are_the_middle_without_flip(noisy: PictureFolders) -> None:
    whole = fixed_pictures(noisy.a, DataConfig(size=(24, 20), resize="none"), 2)
    middle = fixed_pictures(noisy.a, DataConfig(size=(16, 12), resize="none"), 2)
    assert torch.equal(middle, whole[:, :, 4:20, 4:16])


def test_an_unreadable_fixed_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png"):
        fixed_pictures([tmp_path / "gone.png"], DataConfig(size=(16, 16)), 1)
