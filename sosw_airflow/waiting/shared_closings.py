"""One reading of a labourer's closings for all jobs of it that wait in a process.

Each job would read all closings of its labourer, those of the other jobs included. So a job that begins to wait catches
up alone, and then joins. From then on the first one that polls after a while reads for all of them.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakSet, WeakValueDictionary

from sosw_airflow.exceptions import SoswError
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.stores.closed_tasks import ClosedEntry, ClosedTasks, End
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.closings import ClosingsReading

__all__ = ["Member", "SharedClosings", "SharedReadings"]


class Member(Protocol):
    """Who takes part in a shared reading: the reader of one job. All methods may be called in any thread."""

    @property
    def job_id(self) -> str:
        """Of the job that it counts."""

    def take(self, closing: ClosedEntry, end: End) -> bool:
        """Count a closing of its job. False: it was counted before, or it is new to this member alone."""

    def after_shared_reading(self) -> None:
        """What is new was given to every member."""


class SharedClosings:
    """The shared reading of one labourer. Safe for threads; it lives as long as a member keeps it.

    :param monotonic: a clock, in seconds.
    """

    def __init__(self, closed_tasks: ClosedTasks, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._closed_tasks = closed_tasks
        self._monotonic = monotonic
        self._members: WeakSet[Any] = WeakSet()
        self._reading: ClosingsReading | None = None
        self._begun_at = self._read_at = float("-inf")
        self._error: SoswError | None = None
        self._joined = 0  # members so far
        self._membership, self._one_reads = threading.Lock(), threading.Lock()

    def join(self, member: Member) -> None:
        """Give the member what is read from now on. It has to catch up with what was read before."""
        with self._membership:
            self._members.add(member)
            self._joined += 1

    def leave(self, member: Member) -> None:
        """Give it nothing any more."""
        with self._membership:
            self._members.discard(member)

    def continue_from(self, reading: ClosingsReading) -> None:
        """Begin where a member has caught up, unless the reading has begun."""
        with self._one_reads:
            if self._reading is None:
                self._reading, self._read_at = reading.copy(), self._monotonic()

    def reached(self) -> ClosingsReading | None:
        """A reading that continues from where this one is; None if it has not begun."""
        with self._one_reads:
            return None if self._reading is None else self._reading.copy()

    @property
    def position(self) -> tuple[object, ...]:
        """Another one after a reading that has read something new."""
        return () if self._reading is None else self._reading.position

    @property
    def is_hasty(self) -> bool:
        """Whether something was read in haste."""
        return self._reading is not None and bool(self._reading.hasty)

    def refresh(self, max_age: float, news_at: float = float("-inf")) -> None:
        """Read what is new for all members, unless that was done in the last ``max_age`` seconds.

        :param news_at: by the clock; a reading that began before is not new enough.
        :raises SoswError: AWS refuses, or has refused then. Each member that asks gets the error.
        """
        with self._one_reads:
            age, members = self._monotonic() - self._read_at, []
            if self._reading is not None and (age >= max_age or self._begun_at < news_at):
                self._read(self._reading)
                members = self._everyone()
            error = self._error
        if error is not None:
            raise error
        for member in members:
            member.after_shared_reading()

    def _everyone(self) -> list[Member]:
        with self._membership:
            return list(self._members)

    def _by_job(self) -> tuple[int, dict[str, list[Member]]]:
        """How many have joined so far, and the members by the job that they count."""
        by_job: dict[str, list[Member]] = defaultdict(list)
        joined = self._joined
        for member in self._everyone():
            by_job[member.job_id].append(member)
        return joined, by_job

    def _read(self, reading: ClosingsReading) -> None:
        self._begun_at = self._monotonic()
        joined, by_job = self._by_job()

        def take(closing: ClosedEntry, end: End) -> bool:
            nonlocal joined, by_job
            if joined != self._joined:  # who joins meanwhile may have caught up before this was closed
                joined, by_job = self._by_job()
            new = [member.take(closing, end) for member in by_job.get(job_of(closing.task_id), ())]
            return any(new)

        try:
            reading.read(self._closed_tasks, take)
        except SoswError as error:
            self._error = error
        else:
            self._error = None
        self._read_at = self._monotonic()


@dataclass
class SharedReadings:
    """The shared readings of one access to the tables: those of different credentials are never one. Safe for threads.

    :ivar dynamodb: a boto3 DynamoDB client with botocore's retries.
    """

    dynamodb: Any
    tables: TableNames
    _known: WeakValueDictionary[str, SharedClosings] = field(default_factory=WeakValueDictionary, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def of(self, labourer_id: str) -> SharedClosings:
        """The one of a labourer."""
        with self._lock:
            shared = self._known.get(labourer_id)
            if shared is None:
                shared = SharedClosings(ClosedTasks(self.dynamodb, self.tables, labourer_id))
                self._known[labourer_id] = shared
            return shared
