"""Makes the archive of pictures that `unpaired demo` trains on.

    python tools/make_demo_pictures.py DATA_DIR [--size 32] [--train 400] [--held-out 48]

DATA_DIR holds trainA, trainB, testA and testB, all square PNGs whose side is a multiple of the size. Evenly spaced
pictures of each are averaged over blocks. The result, src/unpaired/demo/pictures.zip, is the same bytes for the same
input.
"""

import argparse
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

ARCHIVE = Path(__file__).resolve().parent.parent / "src/unpaired/demo/pictures.zip"
LIMIT_BYTES = 2 * 2**20
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that zip files know


def main() -> None:
    """Write the archive and print what is in it."""
    arguments = parse_arguments()
    counts: dict[str, int] = {}
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed already
        for folder in ("trainA", "trainB", "testA", "testB"):
            paths = sorted((arguments.data_dir / folder).glob("*.png"))
            paths = list(evenly_spaced(paths, arguments.held_out if folder.startswith("test") else arguments.train))
            counts[folder] = len(paths)
            for path in paths:
                picture = reduced(Image.open(path), arguments.size)
                archive.writestr(zipfile.ZipInfo(f"{folder}/{path.name}", TIMESTAMP), as_png(picture))
    num_bytes = ARCHIVE.stat().st_size
    print(f"{ARCHIVE}: {num_bytes / 1000:.0f} kB, {counts}")
    if num_bytes > LIMIT_BYTES:
        raise SystemExit(f"error: more than {LIMIT_BYTES} bytes; take a smaller --size")


def parse_arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--size", type=int, default=32, help="side of the pictures in pixels")
    parser.add_argument("--train", type=int, default=400, help="pictures of each training folder")
    parser.add_argument("--held-out", type=int, default=48, help="pictures of each test folder")
    return parser.parse_args()


def evenly_spaced(paths: list[Path], count: int) -> Iterator[Path]:
    """`count` of the `paths` (all when there are fewer), the same ones for folders with the same names."""
    count = min(count, len(paths))
    return (paths[i * len(paths) // count] for i in range(count))


def reduced(picture: Image.Image, size: int) -> Image.Image:
    """`picture` in RGB with sides of `size` pixels."""
    factor, rest = divmod(picture.width, size)
    assert rest == 0, f"{picture.width} px cannot be divided into blocks for {size} px"
    return picture.convert("RGB").reduce(factor)


def as_png(picture: Image.Image) -> bytes:
    """`picture` as the bytes of a PNG file, compressed as far as it goes."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
