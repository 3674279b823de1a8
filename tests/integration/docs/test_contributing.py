"""What CONTRIBUTING.md names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_each_place_to_add_something_exists() -> None:
    """One file or folder an answer."""
    table = PAGE.partition("## Where do I add ...")[2].partition("\n## ")[0]
    answers = re.findall(r"^\| [^`|]*(?:`[^`]+`[^`|]*)?\| `([^`]+)` \|$", table, re.MULTILINE)
    assert len(answers) >= 12
    assert [answer for answer in answers if not (ROOT / answer).exists()] == []


def test_each_command_is_a_target() -> None:
    """`make X` of the page is in the Makefile."""
    targets = re.findall(r"^([a-z0-9.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`?make ([a-z][a-z0-9.-]+)", PAGE)) <= {*targets, "it"}


def test_each_room_has_a_place_on_the_map() -> None:
    """The picture has a box for each folder of the package."""
    picture = (ROOT / "docs" / "images" / "house.svg").read_text()
    rooms = [path.parent.name for path in (ROOT / "sosw_airflow").glob("*/__init__.py")]
    assert [room for room in rooms if f">{room}<" not in picture] == []


def test_everything_that_checks_is_checked_before_a_release() -> None:
    """`make check-all` leaves out what checks nothing, and what its own targets contain."""
    phony = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    others = {
        "help",
        "up",
        "demo-stop",
        "test",
        "test-fast",
        "check-all",
        "format",
        "generate",
        "constraints",
        "ministack",
    }
    listed = (ROOT / ".ci" / "check_all.py").read_text().partition("TARGETS = [")[2].partition("]")[0]
    assert sorted(re.findall(r'"(.+)"', listed)) == sorted({*phony} - others - {"clean"})
