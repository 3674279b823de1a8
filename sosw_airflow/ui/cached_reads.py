"""Reads for pages: one at a time for each subject, shared by all viewers, and no viewer waits long for one.

A viewer gets what was read in the last seconds. If that is older, the read begins, and the viewer still gets what is
there: the next refresh has the new one. Only without a recent reading, or after a change by an action, the viewer waits
a little. If AWS does not answer by then, the page says so.

An action is known in the process that has carried it out. Its viewer comes to other processes with the time of it.
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


_NEVER = float("-inf")


@dataclass
class _Subject:
    """``as_of`` is the begin of the read that ended at ``tried_at``; all on the monotonic clock."""

    value: Any = None
    read_at: float = _NEVER
    problem: str = ""
    as_of: float = _NEVER
    tried_at: float = _NEVER
    running: Future[Any] | None = None
    changed_at: float = _NEVER

    def shown(self, now: float, *, waiting: bool = False) -> Reading:
        return Reading(self.value, now - self.read_at, self.problem, waiting)


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
    def one_page(self, changed_at: float = 0.0) -> Iterator[None]:
        """Inside, all reads of this thread together wait no longer than one: a page needs several.

        :param changed_at: time of the viewer's last action, in any process: older readings are not for this viewer.
        """
        now = time.monotonic()
        self._page.ends_at = now + self._patience
        self._page.changed_at = now - max(0.0, time.time() - changed_at)
        try:
            yield
        finally:
            del self._page.ends_at, self._page.changed_at

    def read(self, subject: Hashable, read: Callable[[Any], Any], *, fresh: float | None = None) -> Reading:
        """The reading of a subject.

        :param read: called in another thread with the former value, or None; what it returns is the new one.
        :param fresh: seconds for which this reading is good.
        """
        fresh = self._fresh if fresh is None else fresh
        changed_at: float = getattr(self._page, "changed_at", _NEVER)
        ends_at: float = getattr(self._page, "ends_at", time.monotonic() + self._patience)
        while True:
            with self._lock:
                known = self._subjects.setdefault(subject, _Subject())
                self._subjects.move_to_end(subject)
                self._forget()
                now = time.monotonic()
                is_good = known.as_of >= max(known.changed_at, changed_at)
                if is_good and now - known.tried_at < fresh and known.running is None:
                    return known.shown(now)
                if known.running is None:
                    self._pool = self._pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="sosw-page")
                    known.running = self._pool.submit(self._read, known, read)
                if is_good and now - known.read_at < _SHOWN * fresh:
                    return known.shown(now)
                running, changed_at = known.running, max(known.changed_at, changed_at)
            try:
                running.result(max(0.0, ends_at - now))
            except NotYet:
                return known.shown(time.monotonic(), waiting=True)
            # One that was under way may have read before the change.
            if known.as_of >= changed_at:
                return known.shown(time.monotonic())

    def expire(self, part: str) -> None:
        """Let the next viewer of every subject with this part read it again: something was changed."""
        with self._lock:
            for subject, known in self._subjects.items():
                if isinstance(subject, tuple) and part in subject:
                    known.changed_at = time.monotonic()

    def _read(self, known: _Subject, read: Callable[[Any], Any]) -> None:
        began = time.monotonic()
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
            known.as_of, known.tried_at = began, now
            known.problem, known.running = problem, None

    def _forget(self) -> None:
        """Drop the subjects that were asked for longest ago. One that is being read stays with its reader."""
        while len(self._subjects) > _SUBJECTS:
            self._subjects.popitem(last=False)
