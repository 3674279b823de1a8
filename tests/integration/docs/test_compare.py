"""The table that compares this provider with other ways: each of its statements has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "start" / "compare.md").read_text()
README = (ROOT / "README.md").read_text()

#: `tests/file.py::test` on the page; in the README a link to the file, whose title is the test.
NAMED = [
    *re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE),
    *re.findall(r"\]\((tests/[\w/]+\.py) \"(\w+)\"\)", README),
]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_test_exists(file: str, name: str) -> None:
    """In that file, under that name."""
    assert f"def {name}(" in (ROOT / file).read_text()


def test_each_row_names_its_tests() -> None:
    """By a number, which the list below the table has; the limit of one job is a row of its own."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert [re.search(r"\((\d+)\)", row.split(" | ")[1]) is not None for row in rows] == [True] * len(rows)
    assert len(rows) == len(re.findall(r"^\d+\. `tests/", PAGE, re.MULTILINE))


def test_statements_about_others_name_their_source() -> None:
    """Every reference is defined, and used."""
    defined = set(re.findall(r"^\[([\w-]+)\]: https://", PAGE, re.MULTILINE))
    assert set(re.findall(r"\]\[([\w-]+)\]", PAGE)) == defined


def test_each_row_of_the_readme_links_its_test() -> None:
    """Its second column."""
    table = README.partition("| | this provider |")[2].partition("\n\n")[0]
    rows = table.splitlines()[2:]
    assert len(rows) >= 4
    assert [row for row in rows if "](tests/" not in row.split(" | ")[1]] == []


def test_the_readme_is_short() -> None:
    """A reader sees it as a whole; the rest is in docs/."""
    assert len(README.splitlines()) <= 150
