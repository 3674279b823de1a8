"""Forgets the moved jobs of a labourer that are over, so that their list stays short.

A moved job of which nothing was met for a while is checked: its record, the places that it was planned for, the
retries. One job a turn at most, and a job every 30 s at most: three requests, up to 30 read units for rows of 1 KB.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.jobs.identity import job_of
from sosw_airflow.orchestration.readings import LabourerRows
from sosw_airflow.stores.job_limits import JobLimit, JobLimits
from sosw_airflow.stores.job_places import JobPlaces, MovedJobs

__all__ = ["MovedJobsKeeper"]

#: Seconds without a task of the job after which it is checked, and after which a job without a record is forgotten: it
#: may still be planned.
_ABSENT, _UNPLANNED = 30.0, 3600.0

#: Seconds after which an index shows what was written.
_WRITTEN = 60

#: Rows of the job's places that one check reads; the next one continues.
_CHECKED = 100


@dataclass
class MovedJobsKeeper:
    """The moved jobs of one labourer. Used by one thread at a time.

    :ivar monotonic: a clock, in seconds.
    """

    rows: LabourerRows
    limits: JobLimits
    places: JobPlaces
    labourer_id: str
    monotonic: Callable[[], float]

    _known: dict[str, float] = field(default_factory=dict, init=False)
    _met: dict[str, float] = field(default_factory=dict, init=False)
    _reached: dict[str, int] = field(default_factory=dict, init=False)

    def after_turn(self, item: Mapping[str, Mapping[str, Any]], met: Collection[str], *, now: int) -> None:
        """Check the moved job that was not met for the longest time, and forget it if it is over.

        :param item: of the lease.
        :param met: the jobs of which a queued or an invoked task was met in this turn.
        :param now: seconds since 1970.
        """
        moved, ticks = MovedJobs.of_lease(item).places, self.monotonic()
        for seen in (self._known, self._met, self._reached):
            for job_id in [each for each in seen if each not in moved]:
                del seen[job_id]
        for job_id in moved:
            self._known.setdefault(job_id, ticks)
            if job_id in met or job_id not in self._met:
                self._met[job_id] = ticks
        if not moved:
            return
        absent = min(moved, key=self._met.__getitem__)
        if ticks - self._met[absent] < _ABSENT:
            return
        self._met[absent] = ticks  # the next check is as far away
        if self._is_over(absent, now):
            self.places.forget(self.labourer_id, item, [absent])

    def at_idle(self, item: Mapping[str, Mapping[str, Any]], *, now: int) -> None:
        """Forget all that are over, since the labourer has no task any more: one request for each moved job.

        :param item: of the lease.
        :param now: seconds since 1970.
        """
        moved = MovedJobs.of_lease(item).places
        limits = {job_id: self.limits.read(job_id) for job_id in moved}
        over = [
            job_id
            for job_id, limit in limits.items()
            if limit != JobLimit() and not limit.unfinished and now - limit.changed_at > _WRITTEN
        ]
        if over:
            self.places.forget(self.labourer_id, item, over)

    def _is_over(self, job_id: str, now: int) -> bool:
        limit = self.limits.read(job_id)
        if limit == JobLimit():
            return self.monotonic() - self._known[job_id] >= _UNPLANNED
        if limit.unfinished:
            return False
        start = self._reached.pop(job_id, limit.base + 1)
        page = self.rows.head(now=now, rows=_CHECKED, start=start, end=limit.last)
        if any(job_of(row.task_id) == job_id for row in page):
            return False
        if len(page) >= _CHECKED:
            self._reached[job_id] = max(page[-1].greenfield, start + 1)
            return False
        return not self.rows.may_retry(job_id)
