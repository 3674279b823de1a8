"""Custom period functions, as a user's package would have them: importable by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

NOT_A_FUNCTION = 7


def last_mondays(period: str, reference_date: date) -> Iterator[date]:
    """`last_2_mondays`: the Mondays before the reference date, the oldest first."""
    number = int(period.split("_")[1])
    monday = reference_date - timedelta(days=reference_date.weekday() or 7)
    return (monday - timedelta(weeks=weeks) for weeks in range(number - 1, -1, -1))


def new_year_texts(period: str, reference_date: date) -> list[str]:
    """The first day of the reference date's year, as text."""
    return [f"{reference_date.year}-01-01"]


def no_dates(period: str, reference_date: date) -> list[date]:
    """A function that finds nothing."""
    return []


def nothing(period: str, reference_date: date) -> Any:
    """A function that forgets its `return`."""


def one_text(period: str, reference_date: date) -> str:
    """A function that gives a text where a list of them is wanted."""
    return "2026-01-01"


def german_dates(period: str, reference_date: date) -> list[str]:
    """Dates in another notation."""
    return ["01.03.2026"]
