from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from unpaired.errors import UserError
from unpaired.inference.records import Record, SavedStyle, read_record, read_styles, write_picture, write_styles

floats32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
codes = st.lists(floats32, min_size=1, max_size=16).map(tuple)
numbers = st.integers(0, 2**64 - 1)
sizes = st.tuples(st.integers(1, 10_000), st.integers(1, 10_000))
texts = st.text(max_size=40)
RECORDS = st.builds(
    Record,
    version=texts,
    model=texts,
    weights_sha256=texts,
    weights=st.sampled_from(["ema", "raw"]),
    precision=st.sampled_from(["fp32", "bf16"]),
    step=st.none() | numbers,
    to=st.sampled_from(["a", "b"]),
    style=st.none() | codes,
    style_index=st.integers(0, 9999),
    style_from=texts,
    seed=st.none() | numbers,
    source=texts,
    working_size=sizes,
    size=sizes,
)
RECORD = Record(
    version="0.1.0", model="run", weights_sha256="ab", weights="ema", step=7, to="b", style=(0.1, -2.0), style_index=1,
    style_from="seed 3", seed=3, source="cat.jpg", working_size=(32, 40), size=(32, 40),
)  # fmt: skip
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def image():
    return Image.new("RGB", (7, 5), (10, 20, 30))


@in_one_folder
@given(record=RECORDS)
def test_a_picture_says_how_it_was_made(record, image, tmp_path):
    path = tmp_path / "x.png"
    write_picture(image, path, record)
    assert read_record(path) == record
    with Image.open(path) as again:
        assert again.tobytes() == image.tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_pictures_of_versions_that_knew_one_precision_are_read(image, tmp_path):
    old = {name: value for name, value in vars(RECORD).items() if name != "precision"}
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("unpaired", json.dumps(old))
    image.save(tmp_path / "x.png", pnginfo=chunks)
    assert read_record(tmp_path / "x.png") == RECORD


def test_a_source_whose_name_is_not_unicode(image, tmp_path):
    write_picture(image, tmp_path / "x.png", replace(RECORD, source="caf\udce9.png"))
    assert read_record(tmp_path / "x.png").source == "caf?.png"


@given(code=codes)
def test_codes_keep_every_bit(code):
    again = json.loads(json.dumps(code))
    assert torch.equal(torch.tensor(again, dtype=torch.float32), torch.tensor(code, dtype=torch.float32))


@in_one_folder
@given(styles=st.lists(st.builds(SavedStyle, code=codes, origin=texts), min_size=1, max_size=4))
def test_styles_come_back(styles, tmp_path):
    write_styles(tmp_path / "styles.json", "a", "fingerprint", styles)
    file = read_styles(tmp_path / "styles.json")
    assert (file.to, file.weights_sha256, list(file.styles)) == ("a", "fingerprint", styles)


def test_the_style_of_a_picture(image, tmp_path):
    write_picture(image, tmp_path / "x.PNG", RECORD)
    file = read_styles(tmp_path / "x.PNG")
    assert (file.to, file.weights_sha256) == ("b", "ab")
    assert file.styles == (SavedStyle(code=(0.1, -2.0), origin="seed 3"),)


def refused(path: Path) -> str:
    """What is said of `path`, after its name, when styles are read from it."""
    with pytest.raises(UserError) as error:
        read_styles(path)
    before, named, after = str(error.value).partition(str(path))
    assert named, before
    return after


def test_a_picture_of_other_origin(image, tmp_path):
    image.save(tmp_path / "x.png")
    assert "does not say how it was made" in refused(tmp_path / "x.png")


def test_a_picture_without_style(image, tmp_path):
    write_picture(image, tmp_path / "x.png", replace(RECORD, style=None))
    assert "without styles" in refused(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not valid JSON"),
        ("[]", "does not say how it was made"),
        ('{"version": 3}', "version: 3 is not allowed"),
    ],
)
def test_a_picture_with_a_wrong_record(image, tmp_path, text, said):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("unpaired", text)
    image.save(tmp_path / "x.png", pnginfo=chunks)
    assert said in refused(tmp_path / "x.png")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n torn", b"text"])
def test_a_torn_picture(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    assert "cannot be read as PNG" in refused(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[1, 2]", "holds no styles"),
        (b'{"kind": "unpaired styles", "format": 2}', "newer unpaired"),
        (
            b'{"kind": "unpaired styles", "format": 1, "to": "b", "weights_sha256": "", "styles": []}',
            "styles: [] is not allowed",
        ),
        (
            b'{"kind": "unpaired styles", "format": 1, "to": "b", "weights_sha256": "", "styles": [{"code": [NaN]}]}',
            "not allowed",
        ),
    ],
)
def test_style_files_that_are_wrong(tmp_path, content, said):
    (tmp_path / "styles.json").write_bytes(content)
    assert said in refused(tmp_path / "styles.json")


def test_a_missing_style_file(tmp_path):
    assert "cannot be read" in refused(tmp_path / "none.json")


def test_a_place_that_cannot_be_written(image, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        write_picture(image, tmp_path / "file" / "x.png", RECORD)
