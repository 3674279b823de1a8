"""What CONTRIBUTING.md names exists."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch

from tests.support.deterministic_aws.clients import Edge
from tests.support.explorer.scenario import SCENARIOS
from tests.support.explorer.schedule import Schedule
from tests.support.explorer.search import Search, explore, replay

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


def test_a_feature_is_explored_as_the_page_says() -> None:
    """Ten lines are a scenario whose promises are kept, and the line beside them is one of its schedules."""
    section = PAGE.partition("## Explore a feature")[2].partition("\n## ")[0]
    code = section.partition("```python\n")[2].partition("```")[0]
    assert len([each for each in code.splitlines() if each]) == 10
    with patch.dict(SCENARIOS):
        exec(code, {"__name__": "scenario"})
        scenario = SCENARIOS["schedule-and-cancel"]
        found = explore(scenario.begin, Search(schedules=60, edge=Edge.DIRECT))
        line = re.findall(r"--replay '([^']+)'", section)[0]
        run = replay(scenario.begin, Schedule.of(line))
    assert found.failures == {}
    assert str(run.schedule) == line
