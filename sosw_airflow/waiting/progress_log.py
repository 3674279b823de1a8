"""Progress of long work, in the log: done, total, time left, rate."""

from __future__ import annotations

import logging
import time
from typing import Protocol

from sosw_airflow.exceptions.faults import counted

__all__ = ["ProgressFactory", "ProgressLog", "duration_text", "rate_text"]

log = logging.getLogger(__name__)


class ProgressLog:
    """Counts tasks and logs a line every few seconds. Used by one thread at a time.

    :param what: the work, for the log.
    :param total: number of tasks, None while it is not known.
    :param done: tasks that earlier attempts have done.
    :param every: seconds between two lines of the log.
    :ivar moved_at: when a task was last done, on the monotonic clock.
    """

    def __init__(self, what: str, total: int | None, *, done: int = 0, every: float = 5.0) -> None:
        self.total, self.done = total, done
        self._what, self._every = what, every
        self._before = done
        self._begun = self._reported = self.moved_at = time.monotonic()

    def add(self, tasks: int, *, throttled: int = 0, failed: int = 0) -> None:
        """So many more tasks are done."""
        self.done += tasks
        if tasks:
            self.moved_at = time.monotonic()
        self.report(throttled=throttled, failed=failed)

    def report(self, *, throttled: int = 0, failed: int = 0, at_once: bool = False) -> None:
        """Log a line if it is time."""
        now = time.monotonic()
        if now - self._reported < self._every and not at_once:
            return
        self._reported = now
        parts = [self._done(), *self._speed(now - self._begun)]
        if throttled:
            parts.append(f"{counted(throttled, 'request')} throttled")
        if failed:
            parts.append(f"{failed:,} failed")
        log.info("%s: %s", self._what, ", ".join(parts))

    def _done(self) -> str:
        if self.total is None:
            return counted(self.done, "task")
        # Rounded down: only all tasks are 100 %.
        permille = 1000 * self.done // max(self.total, 1)
        return f"{self.done:,} of {counted(self.total, 'task')} ({permille / 10:.1f} %)"

    def _speed(self, seconds: float) -> list[str]:
        """Time left and rate; neither before the first task is done, no time left after the last."""
        if self.done <= self._before or seconds <= 0:
            return []
        rate = (self.done - self._before) / seconds
        left = 0 if self.total is None else self.total - self.done
        return [*([f"{duration_text(left / rate)} left"] if left > 0 else []), rate_text(rate)]


def duration_text(seconds: float) -> str:
    """Seconds in the unit that a person would choose."""
    if seconds < 120:
        return f"{seconds:,.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3600:,.1f} h"


def rate_text(rate: float) -> str:
    """The rate by a unit that gives it a digit before the point."""
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if rate * factor >= 1:
            return f"{rate * factor:,.0f} tasks/{unit}" if rate * factor >= 10 else f"{rate * factor:.1f} tasks/{unit}"
    return f"{rate * 86_400:.1f} tasks/day"


class ProgressFactory(Protocol):
    """Makes what counts the tasks of a piece of work: a `ProgressLog`, or a subclass that shows it in another way."""

    def __call__(self, what: str, total: int | None, *, done: int = 0) -> ProgressLog:
        """Begin to count."""
