"""What fixed workloads cost has not changed: requests to AWS, and calls of functions within 5 %."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.counters import STORED, counts, differences, versions


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, int]]:
    """The numbers of now."""
    return counts()


def test_the_costs_are_those_that_are_stored(found: dict[str, dict[str, int]]) -> None:
    """If a change is meant: `python -m benchmarks.counters --store`."""
    assert list(differences(json.loads(STORED.read_text()), found)) == []


@pytest.mark.parametrize(
    ("name", "factor", "problem"),
    [
        ("TransactWriteItems", 2, "schedule 1,000 tasks: 11 TransactWriteItems, stored are 22, -50.0%"),
        ("calls", 1.1, "calls, stored are"),
        ("calls", 0.9, "calls, stored are"),
    ],
)
def test_a_change_is_found(found: dict[str, dict[str, int]], name: str, factor: float, problem: str) -> None:
    """One request more or less, and calls that differ by more than 5 %: also if they have become fewer."""
    stored: dict[str, Any] = json.loads(STORED.read_text())
    stored["counts"]["schedule 1,000 tasks"][name] = round(found["schedule 1,000 tasks"].get(name, 0) * factor)
    stored["versions"] = versions()
    assert any(problem in each for each in differences(stored, found))


def test_calls_with_other_versions_are_not_compared(found: dict[str, dict[str, int]]) -> None:
    """Requests are."""
    stored: dict[str, Any] = json.loads(STORED.read_text())
    stored["versions"], stored["counts"]["poll 200 tasks twice"]["Query"] = "others", 1
    for each in stored["counts"].values():
        each["calls"] = 1
    assert [each.partition(":")[0] for each in differences(stored, found)] == ["poll 200 tasks twice"]
