from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpaired.config import DataConfig
from unpaired.data.dataset import PicturesOnDisk, Plan, StepDataset, decoded, fit_in_memory, read_resized
from unpaired.data.images import BadPicture

Pictures = Callable[..., Path]
MIB = 2**20


def paths(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize(("resize", "num_bytes_each"), [("stretch", 3 * 512 * 512), ("none", 3 * 16 * 16)])
def test_pictures_fit_up_to_the_last_byte_after_the_resize(
    pictures: Pictures, resize: str, num_bytes_each: int
) -> None:
    folder = pictures("a", 4)
    data = DataConfig(size=(512, 512), resize=resize, cache_mib=3)
    assert num_bytes_each * 4 <= 3 * MIB
    assert fit_in_memory(paths(folder), data)
    assert fit_in_memory(paths(folder) * 2, data) == (num_bytes_each * 8 <= 3 * MIB)


def test_nothing_fits_into_nothing(pictures: Pictures) -> None:
    assert not fit_in_memory(paths(pictures("a", 2)), DataConfig(size=(16, 16), cache_mib=0))


def test_no_more_headers_are_read_than_fit(pictures: Pictures) -> None:
    folder = pictures("a", 2)
    (folder / "99.png").write_bytes(b"not a picture")
    data = DataConfig(size=(1024, 1024), cache_mib=3)
    assert not fit_in_memory(paths(folder), data)
    with pytest.raises(BadPicture):
        fit_in_memory(paths(folder), DataConfig(size=(16, 16), cache_mib=3))


def test_pictures_in_memory_are_those_on_the_disk(pictures: Pictures) -> None:
    folder, data = pictures("a", 5, (20, 30)), DataConfig(size=(16, 16), margin=4)
    kept, on_disk = decoded(paths(folder), data), PicturesOnDisk(paths(folder), data)
    assert kept.data == data
    assert list(kept.pictures) == paths(folder)
    assert len(on_disk) == 5
    for index, picture in enumerate(kept.pictures.values()):
        assert (picture == on_disk[index]).all()
        assert picture.unique().tolist() == [index]
        assert picture.shape == (3, 20, 30)


def test_the_background_is_that_of_the_data(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "x.png")
    data = DataConfig(size=(4, 4), background=(1, 2, 3))
    assert read_resized(tmp_path / "x.png", data)[:, 0, 0].tolist() == [1, 2, 3]


def test_a_lost_picture_is_returned_not_raised(pictures: Pictures) -> None:
    folder, data = pictures("a", 1), DataConfig(size=(16, 16))
    source = PicturesOnDisk(paths(folder), data)
    dataset = StepDataset(source, source, data, Plan(batch_size=1, seed=0, rank=0, world_size=1))
    batch = dataset[0]
    assert not isinstance(batch, BadPicture)
    assert batch[0].shape == (1, 3, 16, 16)
    assert batch[0].dtype == np.uint8
    (folder / "00.png").unlink()
    assert isinstance(dataset[0], BadPicture)
