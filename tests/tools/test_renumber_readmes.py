from pathlib import Path

import pytest
from tools.renumber_readmes import renumbered


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text("one\ntwo\nthree\ntwo\n", encoding="utf-8")
    return tmp_path / "README.md"


def row(line: int, text: str) -> str:
    return f"| eq. 1 | [`code.py:{line}`](code.py#L{line}) `{text}` |\n"


def test_a_row_gets_the_line_that_holds_its_text_and_the_rest_stays(readme, capsys):
    readme.write_text("# Line 1\n" + row(1, "three") + row(1, "one"), encoding="utf-8")
    assert renumbered(readme) == "# Line 1\n" + row(3, "three") + row(1, "one")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("line", "text", "said"), [(1, "two", "'two' is in lines [2, 4]"), (1, "four", "'four' is in lines []")]
)
def test_what_is_there_twice_or_not_at_all_is_said_and_left_for_a_person(readme, capsys, line, text, said):
    readme.write_text(row(line, text), encoding="utf-8")
    assert renumbered(readme) == row(line, text)
    assert said in capsys.readouterr().out


def test_a_row_that_points_at_one_of_several_is_right(readme, capsys):
    readme.write_text(row(4, "two"), encoding="utf-8")
    assert renumbered(readme) == row(4, "two")
    assert capsys.readouterr().out == ""
