from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unpaired.inference.sources import find_sources, unique_labels
from unpaired.inference.styles import Style, result_name, short_name

OUT = Path("out")
names = st.text(alphabet="aAbé\u0301._2-", min_size=1, max_size=5).filter(lambda name: name.strip("."))
places = st.lists(st.builds(lambda *parts: PurePosixPath(*parts), names, names), max_size=12)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4)).save(path)


def labels(*arguments: str, out: Path = OUT) -> list[str]:
    sources, problems = find_sources([Path(argument) for argument in arguments], out)
    assert problems == []
    return [str(source.label) for source in sources]


def problems_of(*arguments: str, out: Path = OUT) -> list[str]:
    return [str(problem) for problem in find_sources([Path(a) for a in arguments], out)[1]]


class TestLabels:
    def test_a_file_and_a_folder_with_its_sub_folders(self, here):
        draw("cat.jpg", "cats/one.png", "cats/deep/two.webp")
        assert labels("cat.jpg") == ["cat"]
        assert labels("cats") == ["deep/two", "one"]

    def test_several_folders_keep_their_names(self, here):
        draw("x/one.png", "y/one.png", "one.png")
        assert labels("x", "y", "one.png") == ["x/one", "y/one", "one"]

    def test_the_current_folder(self, here):
        draw("one.png", "deep/two.png")
        assert labels(".") == ["deep/two", "one"]

    def test_same_stem(self, here):
        draw("one.png", "one.jpg", "x/one.png", "x/one.JPG")
        assert labels("x") == ["one_JPG", "one_png"]
        assert labels("one.png", "one.jpg", "x/one.png") == ["one_png", "one_jpg", "one_png_2"]

    def test_a_picture_named_twice_counts_once(self, here):
        draw("x/one.png")
        assert labels("x/one.png", "x", "./x/one.png") == ["one"]

    def test_results_of_earlier_calls_are_no_inputs(self, here):
        draw("x/one.png", "x/out/two.png")
        assert labels("x", out=Path("x/out")) == ["one"]
        assert labels("x") == ["one", "out/two"]

    @given(places=places)
    def test_they_never_collide_even_where_case_and_accents_do_not_count(self, places):
        found = unique_labels(places)
        assert len(found) == len(places)
        folded = [unicodedata.normalize("NFC", str(label)).casefold() for label in found]
        assert len(set(folded)) == len(folded)
        assert all(label.parent == place.parent for label, place in zip(found, places, strict=True))

    @pytest.mark.parametrize(
        ("name", "label"), [("..2", "picture"), (".hidden.png", "hidden"), ("caf\udce9.png", "caf"), ("a.b.png", "a.b")]
    )
    def test_odd_names(self, name, label):
        assert unique_labels([PurePosixPath("x", name)]) == [PurePosixPath("x", label)]

    def test_long_names_leave_room_for_the_style(self, here):
        long = "ж" * 123
        draw(f"{long}1.png", f"{long}2.png")
        found = labels(f"{long}1.png", f"{long}2.png")
        assert len(set(found)) == 2
        style = Style((0.0,), 0, "", f"like_{short_name(long)}")
        assert all(len(f".{result_name(label, 'b', style)}.1234567.partial".encode()) <= 255 for label in found)

    @given(labels=st.lists(names, min_size=2, max_size=2, unique=True), origins=st.lists(names, min_size=2, max_size=2))
    def test_results_of_two_labels_never_collide(self, labels, origins):
        styles = [Style((0.0,), index, origin, f"like_{short_name(origin)}") for index, origin in enumerate(origins)]
        results = [result_name(label, "b", style) for label in labels for style in styles]
        assert len(set(results)) == len(results)


class TestProblems:
    def test_sizes_are_those_of_the_upright_picture(self, here):
        draw("one.png")
        assert find_sources([Path("one.png")], OUT)[0][0].size == (4, 6)

    def test_missing_files(self, here):
        draw("cat.png")
        (said,) = problems_of("cut.png")
        assert "no such file or folder" in said
        assert '"cat.png"' in said

    def test_a_folder_without_pictures(self, here):
        Path("empty").mkdir()
        (said,) = problems_of("empty")
        assert "holds no pictures" in said

    def test_unreadable_pictures_are_named_together(self, here):
        draw("x/good.png")
        for number in range(12):
            Path(f"x/bad{number:02d}.png").write_bytes(b"torn")
        (said,) = problems_of("x")
        assert "12 of 13 inputs cannot be read" in said
        assert "bad00.png" in said
        assert "and 2 more" in said

    def test_the_output_folder_as_input(self, here):
        draw("x/one.png")
        (said,) = problems_of("x", out=Path("./x"))
        assert "is the folder of the inputs" in said

    def test_all_at_once(self, here):
        draw("x/one.png")
        Path("torn.png").write_bytes(b"torn")
        assert len(problems_of("none.png", "torn.png", "x", out=Path("x"))) == 3
