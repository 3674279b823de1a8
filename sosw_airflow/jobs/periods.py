"""Periods: from ``last_2_days`` and its kin to dates, seen from a reference date (sosw rules 4, 4.1, 4.3).

Upstream matches its patterns as prefixes, so ``todayish`` is today; that is kept, with a warning. The forms that are
new here (ranges, mappings, ``data_interval``) match as a whole.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sosw_airflow.jobs.schema import JobSchema, PeriodFunction

__all__ = ["DataInterval", "InvalidPeriod", "ResolvedPeriod", "is_relative", "resolve_period"]

#: First and last day of a DAG run's data interval, both included.
DataInterval = tuple[date, date]

_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")


class InvalidPeriod(ValueError):
    """The period cannot become dates; the message says why."""


@dataclass(frozen=True)
class ResolvedPeriod:
    """:ivar dates: ``YYYY-MM-DD``, in order.  :ivar warning: what the user should know, or None."""

    dates: tuple[str, ...]
    warning: str | None = None


def resolve_period(
    period: object, *, schema: JobSchema, reference_date: date, data_interval: DataInterval | None
) -> ResolvedPeriod:
    """The dates of a period.

    :raises InvalidPeriod: it is of no known form, or has no dates.
    """
    try:
        return _resolve(period, schema, reference_date, data_interval)
    except OverflowError:
        raise InvalidPeriod(f"{period!r} reaches before the first year of the calendar") from None


def is_relative(period: object) -> bool:
    """Whether the dates of the period depend on the reference date."""
    return isinstance(period, str) and period != "data_interval" and not _RANGE.fullmatch(period)


def _resolve(
    period: object, schema: JobSchema, reference_date: date, data_interval: DataInterval | None
) -> ResolvedPeriod:
    if isinstance(period, Mapping):
        return ResolvedPeriod(_mapping(period))
    if not isinstance(period, str):
        raise InvalidPeriod(f"must be a text such as 'last_2_days' or {{'start': ..., 'end': ...}}, not {period!r}")
    for pattern, days in _BUILT_IN:
        match = pattern.match(period)
        if match:
            dates = _texts(days(reference_date, int(match[1]) if pattern.groups else 0))
            if not dates:
                raise InvalidPeriod(f"{period!r} has no dates: the number of days must be 1 or more")
            surplus = period[match.end() :]
            return ResolvedPeriod(dates, f"{period!r} is read as {match[0]!r}, as sosw does" if surplus else None)
    if match := _RANGE.fullmatch(period):
        return ResolvedPeriod(_range(match[1], match[2]))
    if period == "data_interval":
        if data_interval is None:
            raise InvalidPeriod(
                "'data_interval' needs a DAG run that has a data interval, and this one has none: give another period, "
                "such as 'yesterday' or '2026-01-01..2026-01-31'"
            )
        return ResolvedPeriod(_texts(_days(*data_interval)))
    for custom, function in schema.custom_period_patterns:
        if re.match(custom, period):
            return ResolvedPeriod(_custom(period, function, reference_date))
    forms = "last_N_days, N_days_back, yesterday, today, previous_N_days, last_week, START..END, data_interval"
    extra = "".join(f", {pattern}" for pattern, _ in schema.custom_period_patterns)
    raise InvalidPeriod(f"{period!r} is not a known period; these are: {forms}{extra} (dates as YYYY-MM-DD)")


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


def _last_days(today: date, number: int) -> Iterator[date]:
    return _days(today - timedelta(days=number), today - timedelta(days=1))


def _previous_days(today: date, number: int) -> Iterator[date]:
    return _last_days(today - timedelta(days=number), number)


def _days_back(today: date, number: int) -> list[date]:
    return [today - timedelta(days=number)]


def _last_week(today: date, _: int) -> Iterator[date]:
    # Sunday to Saturday, one week earlier than one expects on a Sunday: upstream's arithmetic, kept (rule 4).
    sunday = today - timedelta(days=today.weekday() + 8)
    return _days(sunday, sunday + timedelta(days=6))


_BUILT_IN: tuple[tuple[re.Pattern[str], Callable[[date, int], Any]], ...] = (
    (re.compile("last_([0-9]+)_days"), _last_days),
    (re.compile("([0-9]+)_days_back"), _days_back),
    (re.compile("yesterday"), lambda today, _: _days_back(today, 1)),
    (re.compile("today"), lambda today, _: _days_back(today, 0)),
    (re.compile("previous_([0-9]+)_days"), _previous_days),
    (re.compile("last_week"), _last_week),
)


def _texts(days: Any) -> tuple[str, ...]:
    return tuple(day.isoformat() for day in days)


def _mapping(period: Mapping[str, Any]) -> tuple[str, ...]:
    if set(period) != {"start", "end"}:
        raise InvalidPeriod(f"as a mapping must have exactly 'start' and 'end', not {sorted(map(str, period))}")
    return _range(period["start"], period["end"])


def _range(start: object, end: object) -> tuple[str, ...]:
    first, last = _date(start, "start"), _date(end, "end")
    if last < first:
        raise InvalidPeriod(f"ends ({end}) before it starts ({start})")
    return _texts(_days(first, last))


def _date(value: object, what: str) -> date:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise InvalidPeriod(f"has the {what} {value!r}, which is not a date of the form YYYY-MM-DD")


def _custom(period: str, function: str | PeriodFunction, reference_date: date) -> tuple[str, ...]:
    call = _imported(function) if isinstance(function, str) else function
    gave = call(period, reference_date)
    if isinstance(gave, str) or not isinstance(gave, Iterable):
        raise InvalidPeriod(f"{period!r}: the custom period function gave {gave!r}; it must give a list of dates")
    days = tuple(str(day) for day in gave)
    wrong = [day for day in days if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day)]
    if wrong or not days:
        what = f"gave {wrong[0]!r}" if wrong else "gave no dates"
        raise InvalidPeriod(f"{period!r}: the custom period function {what}; it must give dates or YYYY-MM-DD")
    return days


def _imported(path: str) -> PeriodFunction:
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidPeriod(f"needs the custom period function {path!r}, which cannot be imported: {error}") from None
    if not callable(function):
        raise InvalidPeriod(f"needs the custom period function {path!r}, which is not a function")
    return function  # type: ignore[no-any-return]
