"""Periods: from ``last_2_days`` and its kin to dates, seen from a reference date (sosw rules 4, 4.1, 4.3).

Upstream matches its patterns as prefixes, so ``todayish`` is today; that is kept, with a warning. The forms that are
new here (ranges, mappings, ``data_interval``, custom patterns) match as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any

from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.period_functions import UnusableFunction, imported
from sosw_airflow.jobs.schema import JobSchema, PeriodFunction

__all__ = ["DataInterval", "DayRange", "InvalidPeriod", "ResolvedPeriod", "is_relative", "resolve_period"]

#: First and last day of a DAG run's data interval, both included.
DataInterval = tuple[date, date]

_RANGE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

#: Digits of a number of days. The calendar has 3,652,059 days.
_MOST_DIGITS = 20

#: Dates that a custom period function may give.
_MOST_CUSTOM_DATES = 100_000


class InvalidPeriod(ValueError):
    """The period cannot become dates; the message says why."""


@dataclass(frozen=True)
class DayRange:
    """Consecutive days, none of which exists before it is iterated."""

    first: date
    days: int

    def __len__(self) -> int:
        return max(self.days, 0)

    def __iter__(self) -> Iterator[str]:
        start = self.first.toordinal()
        return (date.fromordinal(day).isoformat() for day in range(start, start + self.days))


@dataclass(frozen=True)
class ResolvedPeriod:
    """:ivar days: ``YYYY-MM-DD``, in order.  :ivar warning: what the user should know, or None."""

    days: DayRange | tuple[str, ...]
    warning: str | None = None

    @property
    def dates(self) -> tuple[str, ...]:
        """All days at once."""
        return tuple(self.days)


def resolve_period(
    period: object, *, schema: JobSchema, reference_date: date, data_interval: DataInterval | None
) -> ResolvedPeriod:
    """The dates of a period.

    :raises InvalidPeriod: it is of no known form, or has no dates.
    """
    try:
        return _resolve(period, schema, reference_date, data_interval)
    except OverflowError:
        raise InvalidPeriod(f"{excerpt(period)} reaches before the first year of the calendar") from None


def is_relative(period: object) -> bool:
    """Whether the dates of the period depend on the reference date."""
    return isinstance(period, str) and period != "data_interval" and not _RANGE.fullmatch(period)


def _resolve(
    period: object, schema: JobSchema, reference_date: date, data_interval: DataInterval | None
) -> ResolvedPeriod:
    if isinstance(period, Mapping):
        return ResolvedPeriod(_mapping(period))
    if not isinstance(period, str):
        problem = "must be a text such as 'last_2_days' or {'start': ..., 'end': ...}"
        raise InvalidPeriod(f"{problem}, not {excerpt(period)}")
    for pattern, days in _BUILT_IN:
        match = pattern.match(period)
        if match:
            return _built_in(period, match, days, reference_date)
    if match := _RANGE.fullmatch(period):
        return ResolvedPeriod(_range(match[1], match[2]))
    if period == "data_interval":
        if data_interval is None:
            raise InvalidPeriod(
                "'data_interval' needs a DAG run that has a data interval, and this one has none: give another period, "
                "such as 'yesterday' or '2026-01-01..2026-01-31'"
            )
        return ResolvedPeriod(_days(*data_interval))
    for custom, function in schema.custom_period_patterns:
        if re.fullmatch(custom, period):
            return ResolvedPeriod(_custom(period, function, schema.period_modules, reference_date))
    forms = "last_N_days, N_days_back, yesterday, today, previous_N_days, last_week, START..END, data_interval"
    extra = "".join(f", {pattern}" for pattern, _ in schema.custom_period_patterns)
    raise InvalidPeriod(f"{excerpt(period)} is not a known period; these are: {forms}{extra} (dates as YYYY-MM-DD)")


def _built_in(
    period: str, match: re.Match[str], days: Callable[[date, int], DayRange], reference_date: date
) -> ResolvedPeriod:
    digits = match[1] if match.re.groups else "0"
    if len(digits) > _MOST_DIGITS:
        raise OverflowError
    found = days(reference_date, int(digits))
    if not found:
        raise InvalidPeriod(f"{excerpt(period)} has no dates: the number of days must be 1 or more")
    surplus = period[match.end() :]
    return ResolvedPeriod(found, f"{excerpt(period)} is read as {match[0]!r}, as sosw does" if surplus else None)


def _days(first: date, last: date) -> DayRange:
    return DayRange(first, (last - first).days + 1)


def _last_days(today: date, number: int) -> DayRange:
    return DayRange(today - timedelta(days=number), number)


def _previous_days(today: date, number: int) -> DayRange:
    return _last_days(today - timedelta(days=number), number)


def _days_back(today: date, number: int) -> DayRange:
    return DayRange(today - timedelta(days=number), 1)


def _last_week(today: date, _: int) -> DayRange:
    # Sunday to Saturday, one week earlier than one expects on a Sunday: upstream's arithmetic, kept (rule 4).
    return DayRange(today - timedelta(days=today.weekday() + 8), 7)


_BUILT_IN: tuple[tuple[re.Pattern[str], Callable[[date, int], DayRange]], ...] = (
    (re.compile("last_([0-9]+)_days"), _last_days),
    (re.compile("([0-9]+)_days_back"), _days_back),
    (re.compile("yesterday"), lambda today, _: _days_back(today, 1)),
    (re.compile("today"), lambda today, _: _days_back(today, 0)),
    (re.compile("previous_([0-9]+)_days"), _previous_days),
    (re.compile("last_week"), _last_week),
)


def _mapping(period: Mapping[str, Any]) -> DayRange:
    if set(period) != {"start", "end"}:
        names = excerpt(sorted(map(str, period)))
        raise InvalidPeriod(f"as a mapping must have exactly 'start' and 'end', not {names}")
    return _range(period["start"], period["end"])


def _range(start: object, end: object) -> DayRange:
    first, last = _date(start, "start"), _date(end, "end")
    if last < first:
        raise InvalidPeriod(f"ends ({end}) before it starts ({start})")
    return _days(first, last)


def _date(value: object, what: str) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise InvalidPeriod(f"has the {what} {excerpt(value)}, which is not a date of the form YYYY-MM-DD")


def _custom(
    period: str, function: str | PeriodFunction, modules: tuple[str, ...] | None, reference_date: date
) -> tuple[str, ...]:
    """The dates that a function of the user gives; a set of them in the order of the calendar."""
    subject = f"{excerpt(period)}: the custom period function"
    try:
        call = imported(function, modules) if isinstance(function, str) else function
    except UnusableFunction as error:
        raise InvalidPeriod(str(error)) from None
    try:
        gave = call(period, reference_date)
        listed = isinstance(gave, Iterable) and not isinstance(gave, str)
        days = tuple(islice(map(str, gave), _MOST_CUSTOM_DATES + 1)) if listed else ()
    except Exception as error:  # whatever the function of the user raises
        raise InvalidPeriod(f"{subject} raised {type(error).__name__}: {error}") from error
    if not listed:
        raise InvalidPeriod(f"{subject} gave {excerpt(gave)}; it must give a list of dates")
    wrong = next((day for day in days if not _DAY.fullmatch(day)), None)
    if wrong is not None or not days:
        what = "gave no dates" if wrong is None else f"gave {excerpt(wrong)}"
        raise InvalidPeriod(f"{subject} {what}; it must give dates or YYYY-MM-DD")
    if len(days) > _MOST_CUSTOM_DATES:
        raise InvalidPeriod(f"{subject} gave more than {_MOST_CUSTOM_DATES:,} dates")
    return tuple(sorted(days)) if isinstance(gave, (set, frozenset)) else days
