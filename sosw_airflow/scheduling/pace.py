"""How fast pages are sent: at the capacity that the tables were given, or at full speed until AWS throttles.

A sender asks before each request whether it is its turn, and reports how the request ended. On throttling the rate
falls, at most once a second. Without throttling it recovers, up to the capacity, or to no limit at all. It never falls
so far that a few unlucky requests bring the work to a halt: the rest is up to the sender's own pauses.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from sosw_airflow.jobs.pages import Page, PageLimits
from sosw_airflow.stores.task_queue import Capacity

__all__ = ["Pace", "PagePace", "page_limits_for", "units_per_second"]

_FALL = 2 / 3  # if the capacity is not known
_STEP_BACK = 0.9  # if it is known: another writer uses some of it
_SLOWEST_SHARE = 0.5  # of a known capacity
_SLOWEST = 100.0  # a second, if it is not known: far less than any table on demand takes
_TYPICAL = 1000.0  # a second: what one partition of an index takes, and so one labourer
_RECOVERY = 1.2  # a second
_LONGEST_RECOVERY = (
    60.0  # seconds that count at once: after the sleep of a process for hours, the number would overflow
)
_BURST = 0.25  # seconds of its rate that a sender may be ahead of an even pace
_FREE_AFTER = 30.0  # seconds without throttling

#: Write units that a transaction takes for a unit of a plain write, and for the marker of a page.
TRANSACTION = 2


def page_limits_for(tasks: Capacity, *, most_rows: int) -> PageLimits:
    """Pages that cost the table and its index no more than the units of half a second, so that each can succeed.

    A page for the whole of a second would need all units of that second, and be refused if it came a moment early. A
    single row may still cost more; the reserve that DynamoDB keeps for bursts then has to serve.
    """
    units = units_per_second(tasks)
    return PageLimits(most_rows, max(1, int(units / 2)) if units else 0)


class Pace:
    """A rate of anything countable. Not safe for threads by itself.

    :param limit: so many a second at the most, None for no limit.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, limit: float | None, *, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._rate = limit
        self._clock = clock
        now = clock()
        self._free_at = self._recovered_at = self._window_from = now
        self._fell_at = -math.inf
        self._window = 0.0
        self._seen = 0.0  # a second, lately

    @property
    def rate(self) -> float | None:
        """The present limit a second, or None."""
        return self._rate

    def wait(self) -> float:
        """Seconds until the next request may be sent; 0 for now."""
        now = self._clock()
        self._recover(now)
        return 0.0 if self._rate is None else max(0.0, self._free_at - now)

    def claim(self, amount: float) -> None:
        """So many are sent now."""
        if self._rate is not None:
            self._free_at = max(self._free_at, self._clock() - _BURST) + amount / self._rate

    def taken(self, amount: float) -> None:
        """So many were accepted."""
        self._window += amount
        now = self._clock()
        if now - self._window_from >= 1:
            self._seen = self._window / (now - self._window_from)
            self._window_from, self._window = now, 0.0

    def slow_down(self) -> None:
        """A request was throttled."""
        now = self._clock()
        if now - self._fell_at < 1:
            return
        self._fell_at = self._recovered_at = now
        if self._limit is not None:
            self._rate = max(self._limit * _SLOWEST_SHARE, (self._rate or self._limit) * _STEP_BACK)
        else:
            self._rate = max(_SLOWEST, (self._rate or max(self._seen, _TYPICAL)) * _FALL)
        self._free_at = max(self._free_at, now)

    def _recover(self, now: float) -> None:
        if self._rate is None or self._rate == self._limit or now - self._fell_at < 1:
            return
        grown = self._rate * _RECOVERY ** min(now - self._recovered_at, _LONGEST_RECOVERY)
        self._recovered_at = now
        if self._limit is not None:
            self._rate = min(grown, self._limit)
        elif now - self._fell_at > _FREE_AFTER and grown > 4 * self._seen:
            self._rate = None  # far above what is sent, a limit says nothing any more
        else:
            self._rate = grown


class PagePace:
    """The pace of pages: by the write units of the tasks table, by those of the jobs table, by the user's own limit.

    Safe to share between threads.

    :ivar throttled: requests that were throttled so far.
    """

    def __init__(
        self, tasks: Capacity, jobs: Capacity, *, rows_per_second: float | None, clock: Callable[[], float]
    ) -> None:
        self._units = Pace(units_per_second(tasks), clock=clock)
        self._pages = Pace(jobs.table / TRANSACTION if jobs.table else None, clock=clock)
        self._rows = Pace(rows_per_second, clock=clock)
        self._lock = threading.Lock()
        self.throttled = 0

    def claim(self, page: Page) -> float:
        """0 if it is this page's turn to be sent; else the seconds after which to ask again."""
        with self._lock:
            wait = max(self._units.wait(), self._pages.wait(), self._rows.wait())
            if wait == 0:
                self._units.claim(page.units)
                self._pages.claim(1)
                self._rows.claim(len(page.lines))
            return wait

    def written(self, page: Page) -> None:
        """The page was accepted."""
        with self._lock:
            self._units.taken(page.units)

    def slow_down(self) -> None:
        """The page was throttled."""
        with self._lock:
            self.throttled += 1
            self._units.slow_down()


def units_per_second(tasks: Capacity) -> float | None:
    """Plain write units of rows a second: a transaction takes the double from the table, and the index takes one."""
    rates = []
    if tasks.table:
        rates.append(tasks.table / TRANSACTION)
    if tasks.index:
        rates.append(float(tasks.index))
    return min(rates, default=None)
