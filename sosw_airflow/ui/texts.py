"""Numbers, times and durations as a page shows them. Pure."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from math import floor, log10
from typing import Any

from sosw_airflow.waiting.progress_log import duration_text, rate_text

__all__ = ["FILTERS", "document"]

_LAST_SECOND = 253_402_300_799

#: Characters of a document.
_SHOWN = 20_000


def grouped(number: float) -> str:
    """A number with its thousands grouped.

    >>> grouped(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def at_least(bounded: Any) -> str:
    """A number that may have stopped at its bound.

    >>> from sosw_airflow.orchestration.glance import Bounded
    >>> at_least(Bounded(25, more=True)), at_least(Bounded(3))
    ('25 or more', '3')
    """
    number, more = bounded.number, bounded.more
    return f"{number:,} or more" if more else f"{number:,}"


def iso(seconds: float) -> str:
    """A moment for the attribute ``datetime``, in UTC.

    >>> iso(1_795_431_620)
    '2026-11-23T11:00:20Z'
    """
    return _moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(seconds: float) -> str:
    """A moment for people who have no script: in UTC. The script shows it in the time zone of Airflow's UI.

    >>> moment(1_795_431_620)
    '2026-11-23 11:00:20 UTC'
    """
    return _moment(seconds).strftime("%Y-%m-%d %H:%M:%S UTC")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), tz=timezone.utc)


def share(part: int, total: int) -> str:
    """A share in percent, rounded down: only all are 100 %.

    >>> share(999, 1000), share(0, 0)
    ('99.9 %', '0.0 %')
    """
    return f"{(1000 * part // total if total else 0) / 10:.1f} %"


def document(value: Any) -> str:
    r"""A value of JSON as indented text; at most 20,000 characters of it.

    >>> document({"b": [1], "a": None})
    '{\n  "b": [\n    1\n  ],\n  "a": null\n}'
    """
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n... and {len(text) - _SHOWN:,} more characters"


def money(price: float) -> str:
    """A price with two digits that say something.

    >>> money(1234.5), money(0.04567), money(0.0000021), money(0)
    ('1,234.50', '0.046', '0.0000021', '0.00')
    """
    if price >= 0.1 or price <= 0:
        return f"{price:,.2f}"
    return f"{price:.{1 - floor(log10(price))}f}"


#: What the templates call these.
FILTERS = {
    "at_least": at_least,
    "duration": duration_text,
    "grouped": grouped,
    "iso": iso,
    "moment": moment,
    "money": money,
    "rate": rate_text,
}
