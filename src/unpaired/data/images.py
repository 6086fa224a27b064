"""Picture files to RGB pictures to tensors, and back.

A file that is not one whole picture is refused with `BadPicture`, whatever its name says. Colour profiles are ignored,
as by the codes that the methods come from.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of picture files, in lower case."""

MAX_PIXELS = 2**28
"""Larger pictures (above 16,384 x 16,384 or 768 MiB) are refused; Pillow alone would refuse from 179 million pixels."""

Colour = tuple[int, int, int]
Size = tuple[int, int]
"""Height and width in pixels, of the picture turned upright."""

# By content, not by suffix.
# GIF is here only to say of a renamed one how many frames it has.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
_SIXTEEN_TO_EIGHT_BIT = 257  # 65535 / 255

_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture with an EXIF orientation upright."""

_open_lock = threading.Lock()


class BadPicture(ValueError):  # noqa: N818  it says what the file is
    """A file that cannot be read as one picture. `reason` says why in a few words."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[type[BadPicture], tuple[Path, str]]:
        return BadPicture, (self.path, self.reason)  # so that it can come out of another process


class _MeaningError(ValueError):
    """Numbers that no convention maps to colours."""


def read_picture(path: Path, background: Colour) -> Image.Image:
    """The picture in the file `path`: RGB, upright, transparent parts over `background`. Raises `BadPicture`."""
    with opened(path) as image:
        return as_rgb(image, background)


def check_picture(path: Path) -> Size:
    """The size of the picture in `path` after decoding all of its data. Raises `BadPicture` as `read_picture` does.

    Much faster than `read_picture` for large JPEGs: all data is decoded, but not to all pixels.
    """
    with opened(path) as image:
        full_width, full_height = image.size
        reduced = image.draft(None, (1, 1)) is not None
        upright = as_rgb(image, (0, 0, 0))
        if not reduced:
            return upright.height, upright.width
        return (full_width, full_height) if _is_on_its_side(image) else (full_height, full_width)


def read_size(path: Path) -> Size:
    """The size that the header of `path` tells, without decoding the picture. Raises `BadPicture`.

    A PNG may have its orientation behind its pixels: there it is not seen.
    """
    with opened(path) as image:
        width, height = image.size
        if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
            return height, width  # Pillow has swapped a TIFF's size already, and would decode the PNG to see more
        return (width, height) if _is_on_its_side(image) else (height, width)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture in `path`, not decoded yet; what fails inside the block because of the file is a `BadPicture`."""
    try:
        _check_is_full_file(path)
        with path.open("rb") as file, _opened_without_pixel_limit(file) as image:
            _check_is_one_picture(path, image)
            yield image
    except (BadPicture, MemoryError):
        raise
    except FileNotFoundError as error:
        reason = "a link to a file that is gone" if path.is_symlink() else "there is no such file"
        raise BadPicture(path, reason) from error
    except PermissionError as error:
        raise BadPicture(path, "no permission to read it") from error
    except UnidentifiedImageError as error:
        raise BadPicture(path, "not a JPEG, PNG, WebP, BMP or TIFF picture") from error
    except _MeaningError as error:
        raise BadPicture(path, str(error)) from error
    except Exception as error:  # decoders raise nearly every exception there is on damaged files
        raise BadPicture(path, _why_torn(error)) from error


def as_rgb(image: Image.Image, background: Colour) -> Image.Image:
    """`image` as RGB, upright, transparent parts over `background`; 16 bits a channel become 8 by dividing by 257.

    Raises `ValueError` for numbers with no agreed meaning as colours (outside 0 to 65535, or 0 to 1 when not whole).
    """
    image.load()  # before the orientation is read: Pillow turns TIFFs upright while loading
    upright = _TO_UPRIGHT.get(_orientation(image))
    eight_bit = _with_eight_bits(image)
    if upright is not None:
        eight_bit = eight_bit.transpose(upright)
    return _over(eight_bit, background) if eight_bit.has_transparency_data else eight_bit.convert("RGB")


def to_uint8(image: Image.Image) -> Tensor:
    """The RGB `image` as a tensor (3, H, W) of bytes."""
    assert image.mode == "RGB", image.mode
    # by numpy: threads read pictures, and torch would give each of them threads of its own, which slow networks down
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


def to_tensor(image: Image.Image) -> Tensor:
    """The RGB `image` as a tensor (3, H, W), float32 in [-1, 1]."""
    return scaled_alone(to_uint8(image).numpy())


def scaled(pictures: Tensor) -> Tensor:
    """The bytes `pictures` (of any shape) as float32 in [-1, 1]."""
    return pictures.to(torch.float32).div_(127.5).sub_(1.0)


def scaled_alone(pictures: NDArray[np.uint8]) -> Tensor:
    """What `scaled` gives, bit for bit, by one thread: torch would wake all of its own for work of microseconds.

    In memory of torch's, which begins at multiples of 64 bytes. Numpy's begins anywhere, and on some processors the
    last bits of a product depend on that: a run would not be the same twice.
    """
    floats = torch.empty(pictures.shape, dtype=torch.float32)
    values = floats.numpy()
    np.divide(pictures, np.float32(127.5), out=values, dtype=np.float32, casting="unsafe")
    values -= np.float32(1)
    return floats


def to_image(tensor: Tensor) -> Image.Image:
    """The picture (3, H, W) in [-1, 1] as an RGB image: clamped and rounded, never stretched."""
    assert tensor.ndim == 3, tensor.shape
    assert tensor.shape[0] == 3, tensor.shape
    # by numpy: threads save pictures, and torch would give each of them threads of its own
    values = (np.clip(tensor.detach().float().cpu().numpy(), -1, 1) + np.float32(1)) * np.float32(127.5)
    return Image.fromarray(np.ascontiguousarray(np.rint(values).astype(np.uint8).transpose(1, 2, 0)))


def _check_is_full_file(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait forever
        raise BadPicture(path, "not a file")
    if status.st_size == 0:
        raise BadPicture(path, "empty file")
    if not os.access(path, os.R_OK):
        raise BadPicture(path, "no permission to read it")


def _opened_without_pixel_limit(file: Any) -> Image.Image:
    """The image in `file`, of any size. Pillow's limit is a global number: it is put back before anybody else opens."""
    with _open_lock:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(file, formats=_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_is_one_picture(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadPicture(path, f"too large ({height}x{width} pixels; the limit is {MAX_PIXELS:,} in all)")
    # phones write .jpg files of the kind MPO: the further pictures in them are previews and depth maps
    num_frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if num_frames > 1:
        raise BadPicture(path, f"{num_frames} pages" if image.format == "TIFF" else f"animated ({num_frames} frames)")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8. A damaged EXIF block counts as none: the pixels are whole."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises nearly anything on a damaged block
        return 1
    return value if value in _TO_UPRIGHT else 1


def _is_on_its_side(image: Image.Image) -> bool:
    return _orientation(image) >= 5


def _with_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        return _from_sixteen_bits(np.asarray(image))
    if image.mode == "I":
        return _from_sixteen_bits(_within(np.asarray(image), 65535))
    if image.mode == "F":
        return Image.fromarray((_within(np.asarray(image), 1) * 255 + 0.5).astype(np.uint8))
    return image


def _from_sixteen_bits(values: np.ndarray[Any, Any]) -> Image.Image:
    nearest = (values.astype(np.uint32) + _SIXTEEN_TO_EIGHT_BIT // 2) // _SIXTEEN_TO_EIGHT_BIT
    return Image.fromarray(nearest.astype(np.uint8))


def _within(values: np.ndarray[Any, Any], highest: int) -> np.ndarray[Any, Any]:
    if not (values.min() >= 0 and values.max() <= highest):  # written so that NaN fails
        raise _MeaningError(f"values from {values.min():g} to {values.max():g}, not from 0 to {highest}")
    return values


def _over(image: Image.Image, background: Colour) -> Image.Image:
    ground = Image.new("RGBA", image.size, (*background, 255))
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _why_torn(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "torn: its end is missing" if "truncated" in text.lower() else f"torn ({text})"
