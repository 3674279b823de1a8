"""Reads for pages: one at a time for each subject, shared by all viewers, and no viewer waits long for one.

A viewer gets what was read in the last seconds. If that is older, the read begins, and the viewer still gets what is
there: the next refresh has the new one. Only without a recent reading, or after a change by an action, the viewer waits
a little. If AWS does not answer by then, the page says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import SoswError

__all__ = ["CachedReads", "Reading"]

log = logging.getLogger(__name__)

#: Seconds for which a reading is good.
FRESH_SECONDS = 10.0

#: Times as long, a reading is shown while the next one is under way.
_SHOWN = 3

#: Seconds that a viewer waits.
PATIENCE_SECONDS = 2.0

#: Reads at the same time, and subjects that are remembered.
_THREADS, _SUBJECTS = 8, 256


@dataclass(frozen=True)
class Reading:
    """What a page knows of a subject.

    :ivar value: of the last read that worked; None for none yet.
    :ivar age: seconds since then.
    :ivar problem: why the present read brought nothing, without secrets; empty if it worked, or is under way.
    :ivar waiting: the read has not ended yet.
    """

    value: Any = None
    age: float = 0.0
    problem: str = ""
    waiting: bool = False


@dataclass
class _Subject:
    value: Any = None
    read_at: float = float("-inf")
    problem: str = ""
    tried_at: float = float("-inf")
    running: Future[Any] | None = None
    changed: bool = False


class CachedReads:
    """The readings of one process.

    :param fresh: seconds for which a reading is good.
    :param patience: seconds that a viewer waits, for one read or in `one_page` for all.
    """

    def __init__(self, *, fresh: float = FRESH_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self._fresh, self._patience = fresh, patience
        self._subjects: OrderedDict[Hashable, _Subject] = OrderedDict()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._page = threading.local()

    @contextmanager
    def one_page(self) -> Iterator[None]:
        """Inside, all reads of this thread together wait no longer than one: a page needs several."""
        self._page.ends_at = time.monotonic() + self._patience
        try:
            yield
        finally:
            del self._page.ends_at

    def read(self, subject: Hashable, read: Callable[[Any], Any]) -> Reading:
        """The reading of a subject.

        :param read: called in another thread with the former value, or None; what it returns is the new one.
        """
        with self._lock:
            known = self._subjects.setdefault(subject, _Subject())
            self._subjects.move_to_end(subject)
            self._forget()
            now = time.monotonic()
            if now - known.tried_at < self._fresh and known.running is None:
                return Reading(known.value, now - known.read_at, known.problem)
            if known.running is None:
                self._pool = self._pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="sosw-page")
                known.running = self._pool.submit(self._read, known, read)
            if not known.changed and now - known.read_at < _SHOWN * self._fresh:
                return Reading(known.value, now - known.read_at, known.problem)
            running = known.running
        try:
            running.result(self._left())
        except NotYet:
            return Reading(known.value, time.monotonic() - known.read_at, known.problem, waiting=True)
        return Reading(known.value, time.monotonic() - known.read_at, known.problem)

    def _left(self) -> float:
        """Seconds that the viewer still waits."""
        ends_at: float | None = getattr(self._page, "ends_at", None)
        return self._patience if ends_at is None else max(0.0, ends_at - time.monotonic())

    def expire(self, *subjects: Hashable) -> None:
        """Let the next viewer of these subjects read them again: something was changed."""
        with self._lock:
            for each in subjects:
                if each in self._subjects:
                    self._subjects[each].tried_at = float("-inf")
                    self._subjects[each].changed = True

    def _read(self, known: _Subject, read: Callable[[Any], Any]) -> None:
        with self._lock:
            known.changed = False
        value, problem = known.value, ""
        try:
            value = read(known.value)
        except SoswError as error:
            problem = str(error)
        except Exception as error:
            log.exception("A page could not be read.")
            problem = f"This page could not be read: {type(error).__name__}. Airflow's log has the details."
        with self._lock:
            now = time.monotonic()
            if not problem:
                known.value, known.read_at = value, now
            # What was changed during the read may be missing in it.
            known.tried_at = float("-inf") if known.changed else now
            known.problem, known.running = problem, None

    def _forget(self) -> None:
        """Drop the subjects that were asked for longest ago. One that is being read stays with its reader."""
        while len(self._subjects) > _SUBJECTS:
            self._subjects.popitem(last=False)
