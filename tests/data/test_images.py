from __future__ import annotations

import io
import os
import pickle
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile

from unpaired.data import images
from unpaired.data.images import BadPicture, check_picture, read_picture, read_size, to_image, to_tensor, to_uint8

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (200, 10, 30)
UPRIGHT = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)  # 6 wide, 4 high; no two pixels alike
# What a camera stores for each EXIF orientation: the inverse of what turns it upright.
STORED = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.rotate(180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


def noise(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8), "RGBA").convert(mode)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def pixels(path: Path, background: tuple[int, int, int] = WHITE) -> np.ndarray:
    image = read_picture(path, background)
    assert image.mode == "RGB"
    assert check_picture(path) == read_size(path) == (image.height, image.width)
    return np.asarray(image)


def reason(path: Path) -> str:
    with pytest.raises(BadPicture) as checked:
        check_picture(path)
    with pytest.raises(BadPicture) as read:
        read_picture(path, WHITE)
    assert read.value.reason == checked.value.reason
    assert str(path) in str(read.value)
    return read.value.reason


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_every_exif_orientation_is_turned_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    lossless = {".jpg": {"quality": 100}, ".webp": {"lossless": True}}.get(suffix, {})
    large = UPRIGHT.resize((48, 32), Image.Resampling.NEAREST)
    path = saved(STORED[orientation](large), tmp_path / f"x{suffix}", exif=exif, **lossless)
    difference = np.abs(pixels(path)[..., 0].astype(int) - np.asarray(large))
    assert difference.max() <= 3


def test_a_damaged_exif_block_does_not_spoil_whole_pixels(tmp_path: Path) -> None:
    path = saved(noise(), tmp_path / "x.png")
    with Image.open(path) as image:
        saved(image, tmp_path / "y.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert (pixels(tmp_path / "y.png") == np.asarray(noise())).all()


@pytest.mark.parametrize("background", [WHITE, BLACK, RED])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_alpha_lies_over_the_background(tmp_path: Path, suffix: str, background: tuple[int, int, int]) -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(10, 20, 30, 255), (10, 20, 30, 0), (100, 100, 100, 128)])
    lossless = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    found = pixels(saved(image, tmp_path / f"x{suffix}", **lossless), background)[0].tolist()
    half = [round(100 * 128 / 255 + ground * 127 / 255) for ground in background]
    assert found[:2] == [[10, 20, 30], list(background)]
    assert np.abs(np.subtract(found[2], half)).max() <= 1


def test_grey_with_alpha_lies_over_the_background(tmp_path: Path) -> None:
    image = Image.new("LA", (2, 1))
    image.putdata([(50, 255), (50, 0)])
    assert pixels(saved(image, tmp_path / "x.png"), RED)[0].tolist() == [[50] * 3, list(RED)]


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_transparent_palette_colours_show_the_background(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    path = saved(image, tmp_path / "x.png", transparency=transparency)
    assert pixels(path, RED)[0].tolist() == [[10, 20, 30], list(RED)]


def test_palettes_without_transparency_keep_their_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    for suffix in (".png", ".bmp", ".tif"):
        assert pixels(saved(image, tmp_path / f"x{suffix}"), RED)[0].tolist() == [[10, 20, 30], [40, 50, 60]]


def test_a_transparent_colour_shows_the_background(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1))
    image.putdata([(1, 2, 3), (4, 5, 6)])
    path = saved(image, tmp_path / "x.png", transparency=(4, 5, 6))
    assert pixels(path, RED)[0].tolist() == [[1, 2, 3], list(RED)]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_grey_is_divided_by_257(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 128, 129, 257, 32768, 65535 - 129, 65535]], dtype=np.uint16)
    path = saved(Image.fromarray(values), tmp_path / f"x{suffix}")
    assert pixels(path)[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255]


def test_sixteen_bit_grey_keeps_its_shades(tmp_path: Path) -> None:
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    assert (pixels(saved(Image.fromarray(values), tmp_path / "x.png"))[..., 1].ravel() == np.arange(256)).all()


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_colour_keeps_its_shades(tmp_path: Path, suffix: str) -> None:
    values = np.array([[[0, 257, 65535], [128 * 257, 100 * 257, 7 * 257]]], dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f"x{suffix}"), values[..., ::-1])  # Pillow reads such files but does not write them
    assert pixels(tmp_path / f"x{suffix}")[0].tolist() == [[0, 1, 255], [128, 100, 7]]


def test_whole_numbers_of_32_bits_are_read_when_they_fit_16(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.array([[0, 65535, 257]], dtype=np.int32)), tmp_path / "x.tiff")
    assert pixels(path)[0, :, 0].tolist() == [0, 255, 1]


@pytest.mark.parametrize("wrong", [[[-1, 5]], [[0, 65536]]])
def test_whole_numbers_that_mean_no_colour_are_refused(tmp_path: Path, wrong: list[list[int]]) -> None:
    path = saved(Image.fromarray(np.array(wrong, dtype=np.int32)), tmp_path / "x.tiff")
    assert "not from 0 to 65535" in reason(path)


def test_fractions_from_0_to_1_are_read(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.array([[0, 0.5, 1]], dtype=np.float32)), tmp_path / "x.tiff")
    assert pixels(path)[0, :, 2].tolist() == [0, 128, 255]


@pytest.mark.parametrize("wrong", [[[0.0, 255.0]], [[-0.5, 0.5]], [[0.0, float("nan")]]])
def test_fractions_that_mean_no_colour_are_refused(tmp_path: Path, wrong: list[list[float]]) -> None:
    path = saved(Image.fromarray(np.array(wrong, dtype=np.float32)), tmp_path / "x.tiff")
    assert "not from 0 to 1" in reason(path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_one_bit_pictures_become_black_and_white(tmp_path: Path, suffix: str) -> None:
    image = Image.new("1", (2, 1))
    image.putdata([0, 255])
    assert pixels(saved(image, tmp_path / f"x{suffix}"))[0].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_has_the_right_colours(tmp_path: Path, suffix: str) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow are red
    assert np.abs(pixels(saved(image, tmp_path / f"x{suffix}")).astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("name", ["x.JPG", "x.Png", "übung 写真.png", "x.jpeg", "x.TIF", "a b.webp", "x.bmp"])
def test_names_and_suffixes_in_either_case(tmp_path: Path, name: str) -> None:
    assert pixels(saved(noise("L"), tmp_path / name)).shape == (30, 40, 3)
    assert Path(name).suffix.lower() in images.PICTURE_SUFFIXES


def test_the_content_counts_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "really_png.jpg"
    noise().save(path, format="PNG")
    assert (pixels(path) == np.asarray(noise())).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_torn_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(noise(), tmp_path / f"x{suffix}")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert reason(path).startswith(("torn", "not a"))


def test_a_torn_progressive_jpeg_is_refused(tmp_path: Path) -> None:
    path = saved(noise(size=(200, 200)), tmp_path / "x.jpg", progressive=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.9)])
    assert reason(path) == "torn: its end is missing"


def test_empty_files_text_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture", encoding="utf-8")
    (tmp_path / "folder.png").mkdir()
    assert reason(tmp_path / "empty.png") == "empty file"
    assert reason(tmp_path / "text.jpg") == "not a JPEG, PNG, WebP, BMP or TIFF picture"
    assert reason(tmp_path / "folder.png") == "not a file"
    assert reason(tmp_path / "none.png") == "there is no such file"


@pytest.mark.parametrize(("suffix", "said"), [(".gif", "animated (3 frames)"), (".webp", "animated (3 frames)")])
def test_animated_files_are_refused_with_their_frames(tmp_path: Path, suffix: str, said: str) -> None:
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 100, 200)]
    path = saved(frames[0], tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:])
    assert reason(path) == said
    assert reason(path.rename(tmp_path / "renamed.jpg")) == said


def test_animated_png_and_several_pages_are_refused(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 100, 200, 250)]
    more = {"save_all": True, "append_images": frames[1:]}
    assert reason(saved(frames[0], tmp_path / "x.png", **more)) == "animated (4 frames)"
    assert reason(saved(frames[0], tmp_path / "x.tiff", **more)) == "4 pages"


def test_the_first_picture_of_a_phones_jpeg_is_read(tmp_path: Path) -> None:
    first, depth_map = noise(), Image.new("RGB", (8, 8))
    path = tmp_path / "phone.jpg"
    first.save(path, format="MPO", save_all=True, append_images=[depth_map])
    assert pixels(path).shape == (30, 40, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_the_size_is_read_without_decoding(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(noise(), tmp_path / f"x{suffix}")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    assert read_size(path) == (30, 40)


def test_pictures_above_pillows_limit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(noise(), tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert pixels(path).shape == (30, 40, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_pictures_above_our_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(noise(), tmp_path / "x.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 1199)
    assert reason(path) == "too large (30x40 pixels; the limit is 1,199 in all)"
    monkeypatch.setattr(images, "MAX_PIXELS", 1200)
    assert check_picture(path) == (30, 40)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_files_without_permission_are_refused(tmp_path: Path) -> None:
    path = saved(noise(), tmp_path / "x.png")
    path.chmod(0)
    assert reason(path) == "no permission to read it"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_broken_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").symlink_to(tmp_path / "gone.png")
    assert reason(tmp_path / "x.png") == "a link to a file that is gone"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes there")
def test_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    assert reason(tmp_path / "x.png") == "not a file"


def test_bad_pictures_cross_processes() -> None:
    bad = pickle.loads(pickle.dumps(BadPicture(Path("x.png"), "torn")))
    assert (bad.path, bad.reason) == (Path("x.png"), "torn")


@given(st.data())
def test_damaged_files_give_a_picture_or_a_bad_picture(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Nothing else comes out, and the quick check agrees with the reader."""
    format_ = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"]))
    mode = data.draw(st.sampled_from(["RGB", "L"]))
    buffer = io.BytesIO()
    noise(mode).save(buffer, format=format_)
    content = bytearray(buffer.getvalue())
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    for _ in range(data.draw(st.integers(0, 8))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path = tmp_path_factory.mktemp("damaged") / "x.png"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert outcome(lambda: check_picture(path)) == outcome(lambda: read_picture(path, WHITE).size[::-1])


def outcome(read: Any) -> Any:
    try:
        return read()
    except BadPicture:
        return "bad"


@given(st.integers(0, 2**32))
def test_tensors_hold_bytes_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    tensor = to_tensor(image)
    assert tensor.shape == (3, 5, 7)
    assert tensor.dtype == torch.float32
    assert to_uint8(image)[:, 2, 3].tolist() == list(image.getpixel((3, 2)))
    assert to_image(tensor).tobytes() == image.tobytes()


def test_the_range_of_tensors() -> None:
    image = Image.new("RGB", (1, 1), (0, 255, 51))
    assert to_tensor(image)[:, 0, 0].tolist() == [-1.0, 1.0, pytest.approx(-0.6)]


def test_pictures_are_clamped_and_never_stretched() -> None:
    flat = torch.tensor([-5.0, 0.25, 9.0]).view(3, 1, 1).expand(3, 2, 2)
    assert to_image(flat).getpixel((1, 1)) == (0, 159, 255)
