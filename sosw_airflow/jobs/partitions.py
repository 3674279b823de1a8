"""The days of a partition of Airflow (3.2 and later), read from its key in the formats of Airflow's own mappers."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo

from sosw_airflow.jobs.periods import DataInterval

__all__ = ["partition_days"]

_WEEK = re.compile(r"(\d{4}-\d\d-\d\d) \(W\d\d\)")
_MONTH = re.compile(r"(\d{4})-(\d\d)")
_QUARTER = re.compile(r"(\d{4})-Q([1-4])")
_YEAR = re.compile(r"\d{4}")
_DAY = re.compile(r"(\d{4}-?\d\d-?\d\d)(?:[T ](\d\d).*)?")


def partition_days(key: str, zone: tzinfo, *, dated: bool) -> DataInterval | None:
    """The first and the last day of the partition with this key, or None if the key names no date.

    The key is the label of the partition in the zone of its timetable or mapper, so a key without an offset is a local
    date. The formats are those of Airflow's timetable and mappers:

    >>> from datetime import timezone
    >>> for key in ("2026-02-28T00:00:00", "2026-02-23 (W09)", "2026-02", "2026-Q1", "2026", "customer-7"):
    ...     days = partition_days(key, timezone.utc, dated=True)
    ...     print(key, *days or ["none"])
    2026-02-28T00:00:00 2026-02-28 2026-02-28
    2026-02-23 (W09) 2026-02-23 2026-03-01
    2026-02 2026-02-01 2026-02-28
    2026-Q1 2026-01-01 2026-03-31
    2026 2026-01-01 2026-12-31
    customer-7 none

    :param zone: of the DAG, for a key that has an offset.
    :param dated: Airflow has a date for the partition, so that four digits are a year and not a name.
    """
    text = key.strip()
    try:
        if week := _WEEK.fullmatch(text):
            first = date.fromisoformat(week[1])
            return first, first + timedelta(days=6)
        if month := _MONTH.fullmatch(text):
            return _months(int(month[1]), int(month[2]), 1)
        if quarter := _QUARTER.fullmatch(text):
            return _months(int(quarter[1]), 3 * int(quarter[2]) - 2, 3)
        if dated and _YEAR.fullmatch(text):
            return _months(int(text), 1, 12)
        if day := _DAY.fullmatch(text):
            found = _day(text, day[1], zone)
            return found, found
    except (ValueError, OverflowError):  # the last week of the year 9999
        pass
    return None


def _months(year: int, month: int, number: int) -> DataInterval:
    first = date(year, month, 1)
    behind = month - 1 + number
    return first, date(year + behind // 12, behind % 12 + 1, 1) - timedelta(days=1)


def _day(text: str, label: str, zone: tzinfo) -> date:
    digits = label.replace("-", "")
    day = date.fromisoformat(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}")
    if len(text) <= len("2026-02-28T00"):
        return day
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(zone).date() if moment.tzinfo else day
