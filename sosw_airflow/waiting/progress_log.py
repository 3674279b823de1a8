"""Progress of long work, in the log: done, total, rate, time left."""

from __future__ import annotations

import logging
import time

__all__ = ["ProgressLog"]

log = logging.getLogger(__name__)


class ProgressLog:
    """Counts tasks and tells of it every few seconds. Used by one thread at a time.

    :param what: is being done, for the log.
    :param total: number of tasks, None where it is not known yet.
    :param done: tasks that were done by earlier attempts.
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
        self.moved_at = time.monotonic()
        self.report(throttled=throttled, failed=failed)

    def report(self, *, throttled: int = 0, failed: int = 0, at_once: bool = False) -> None:
        """Write a line if it is time."""
        now = time.monotonic()
        if now - self._reported < self._every and not at_once:
            return
        self._reported = now
        rate = (self.done - self._before) / max(now - self._begun, 0.001)
        parts = [f"{self.done:,} tasks" if self.total is None else self._of_total(rate), f"{rate:,.0f} tasks/s"]
        if throttled:
            parts.append(f"{throttled:,} requests throttled")
        if failed:
            parts.append(f"{failed:,} failed")
        log.info("%s: %s", self._what, ", ".join(parts))

    def _of_total(self, rate: float) -> str:
        total = self.total or 0
        left = f"{(total - self.done) / rate:,.0f} s left" if rate else "time left unknown"
        return f"{self.done:,} of {total:,} tasks ({100 * self.done / max(total, 1):.1f} %), {left}"
