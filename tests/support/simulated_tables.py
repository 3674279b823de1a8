"""Senders that commit pages, tables that take so many write units a second, and a clock that both share.

A minute of work takes some milliseconds: no thread sleeps, the clock jumps to whatever happens next.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sosw_airflow.jobs.pages import Page
from sosw_airflow.scheduling.pace import PagePace
from sosw_airflow.stores.backoff import pauses

if TYPE_CHECKING:
    import pytest

#: Seconds that the page writer waits at the most for its turn before it asks again.
_ASK_AGAIN = 0.5


@dataclass
class Clock:
    """Seconds, as the simulation has them."""

    now: float = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def passing_by_sleep(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this process from now on: it moves only when the code sleeps, and an event waits for no time."""
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None:
            return real_wait(event)
        if not event.is_set():
            clock.now += timeout
        return event.is_set()

    real_wait = threading.Event.wait
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr(threading.Event, "wait", wait)
    return clock


class Bucket:
    """Write units that come at a rate. Those of one second are all there ever is: no reserve for bursts."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self.rate, self.used = rate, 0.0
        self._clock, self._left, self._filled_at = clock, 0.0, clock.now

    def left(self) -> float:
        """What may be taken now."""
        self._left = min(self.rate, self._left + (self._clock.now - self._filled_at) * self.rate)
        self._filled_at = self._clock.now
        return self._left

    def take(self, units: float) -> None:
        """Take them."""
        self._left -= units
        self.used += units


@dataclass(frozen=True)
class Run:
    """What came of the pages.

    :ivar share: how much of the narrowest capacity was used, from 0 to 1.
    """

    seconds: float
    requests: int
    throttled: int
    share: float


class Simulation:
    """Commits pages as the page writer does.

    :param table: write units a second of the tasks table, ``index`` of its index, ``jobs`` of the jobs table; None for
        any number.
    :param others: units a second of the tasks table that other writers use.
    :param senders: pages in flight, each of which takes ``latency`` seconds.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        table: float | None = None,
        index: float | None = None,
        jobs: float | None = None,
        others: float = 0.0,
        senders: int = 8,
        latency: float = 0.02,
    ) -> None:
        units = {"table": table, "index": index, "jobs": jobs}
        self._clock = clock
        self._buckets = {name: Bucket(rate, clock) for name, rate in units.items() if rate is not None}
        self._others, self._senders, self._latency = others, senders, latency
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []  # when, tie-breaker, what
        self._events = self._requests = self._throttled = 0
        self._random = random.Random(1)

    def run(self, pace: PagePace, pages: Iterable[Page]) -> Run:
        """Commit the pages at this pace."""
        self._pace, self._pages = pace, iter(pages)
        begun = self._clock.now
        for _ in range(self._senders):
            self._after(0.0, self._next_page)
        if self._others:
            self._after(0.0, self._use_elsewhere)
        while self._agenda:
            self._clock.now, _, event = heapq.heappop(self._agenda)
            event()
        seconds = self._clock.now - begun
        shares = (bucket.used / (bucket.rate * seconds) for bucket in self._buckets.values())
        return Run(seconds, self._requests, self._throttled, max(shares, default=0.0))

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        self._events += 1
        heapq.heappush(self._agenda, (self._clock.now + seconds, self._events, event))

    def _next_page(self) -> None:
        page = next(self._pages, None)
        if page is not None:
            self._ask(page, pauses(self._random.uniform))

    def _ask(self, page: Page, pauses: Iterator[float]) -> None:
        wait = self._pace.claim(page)
        if wait:
            self._after(min(wait, _ASK_AGAIN), lambda: self._ask(page, pauses))
        else:
            self._after(self._latency / 2, lambda: self._arrive(page, pauses))

    def _arrive(self, page: Page, pauses: Iterator[float]) -> None:
        self._requests += 1
        # A transaction takes the double of a plain write from a table, and once from an index.
        costs = {"table": 2.0 * page.units, "index": 1.0 * page.units, "jobs": 2.0}
        fits = all(bucket.left() >= min(costs[name], bucket.rate) for name, bucket in self._buckets.items())
        if fits:
            for name, bucket in self._buckets.items():
                bucket.take(costs[name])
        self._after(self._latency / 2, lambda: self._written(page) if fits else self._refused(page, pauses))

    def _written(self, page: Page) -> None:
        self._pace.written(page)
        self._next_page()

    def _refused(self, page: Page, pauses: Iterator[float]) -> None:
        self._throttled += 1
        self._pace.slow_down()
        self._after(next(pauses), lambda: self._ask(page, pauses))

    def _use_elsewhere(self) -> None:
        bucket = self._buckets["table"]
        bucket.take(min(bucket.left(), self._others / 10))
        if self._agenda:
            self._after(0.1, self._use_elsewhere)
