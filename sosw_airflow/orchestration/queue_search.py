"""Finds the queued rows that a turn may claim, also behind jobs that have reached their ``max_running``.

A turn reads the head of the queue. Only if rows there must wait for their own job, it reads further, within bounds: up
to `_PASSES` pages behind the places that such jobs were planned for, and one page of `_SWEPT` rows within these places,
which continues at the next turn. So a job that stands behind others is found soon, and a row between those of a limited
job is found after ``tasks of that job / _SWEPT`` turns at the latest.

Jobs that were planned at the same moment share their places. Their tasks may then be invoked out of their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.jobs.identity import job_of, task_index
from sosw_airflow.orchestration.decisions import Decision, Step, for_queued
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.readings import LabourerRows
from sosw_airflow.orchestration.task_rows import TaskRow
from sosw_airflow.stores.job_limits import JobLimit, JobLimits

__all__ = ["QueueSearch"]

#: Rows of one page at most, and at least of one behind a limited job: its own last row is the first of them.
_MOST_ROWS, _LEAST_ROWS = 1000, 25

#: Pages behind the places of limited jobs, in one turn.
_PASSES = 3

#: Rows that one turn reads within these places.
_SWEPT = 100

#: Seconds after which a limit is read again, and after which one that was not met again is forgotten.
_FRESH, _KNOWN = 10.0, 60.0

#: Jobs have fewer tasks, so an id with a larger index is not of this provider.
_MOST_TASKS = 2 * 10**9


@dataclass
class QueueSearch:
    """The search of one labourer. Used by one thread at a time.

    :ivar side_by_side: calls a function for each of several arguments, and gives what it returns.
    :ivar monotonic: a clock, in seconds.
    """

    rows: LabourerRows
    policy: LabourerPolicy
    limits: JobLimits
    side_by_side: Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
    monotonic: Callable[[], float]

    _known: dict[str, tuple[JobLimit, float]] = field(default_factory=dict, init=False)
    _swept: int = field(default=0, init=False)

    def find(
        self, *, now: int, free: int, own_claims: Collection[str], running_ids: Collection[str]
    ) -> tuple[list[Decision], bool]:
        """What to do with the rows that were found, and whether any was found.

        :param free: invocations that may be added now.
        :param running_ids: ids of the tasks that are invoked.
        """
        search = _Turn(self, now, free, own_claims, Counter(map(job_of, running_ids)))
        head = search.read(None, min(_MOST_ROWS, free + len(own_claims)) if free else 0)
        if search.waits_for_room and search.free and search.more():
            passed = search.behind(head[-1])
            self._sweep(search, head[-1].greenfield, passed)
            for _ in range(_PASSES):
                if not search.free:
                    break
                page = search.read(passed, min(_MOST_ROWS, max(_LEAST_ROWS, search.free + len(own_claims))))
                if not (search.more() and search.is_full(page[-1])):
                    break
                passed = search.behind(page[-1])
        return search.decisions, bool(head)

    def _sweep(self, search: _Turn, first: int, last: int) -> None:
        """Read one page of the places that are passed over, where the former turn has stopped."""
        start = self._swept if first <= self._swept < last else first
        page = search.read(start, _SWEPT)
        self._swept = start
        if search.free:  # else its rows are not all decided on
            end = page[-1].greenfield if search.more() else last
            self._swept = end if end > start else start + 1

    def limits_of(self, job_ids: Collection[str]) -> None:
        """Read the limits of these jobs, unless they are known."""
        now = self.monotonic()
        for job_id in [each for each, (_, at) in self._known.items() if at < now - _KNOWN]:
            del self._known[job_id]
        wanted = [each for each in job_ids if each not in self._known or self._known[each][1] < now - _FRESH]
        for job_id, limit in self.side_by_side(lambda each: (each, self.limits.read(each)), wanted):
            self._known[job_id] = (limit, now)

    def limit_of(self, job_id: str) -> JobLimit | None:
        """The limit of a job, None if it has none, or if none was read."""
        limit, _ = self._known.get(job_id, (None, 0.0))
        return limit if limit is not None and limit.max_running else None

    @property
    def limited(self) -> Iterator[tuple[str, JobLimit]]:
        """The jobs that are known to have a limit."""
        return ((job_id, limit) for job_id, (limit, _) in self._known.items() if limit.max_running)


class _Turn:
    """The pages of one turn.

    :ivar waits_for_room: a row was passed over, since its job has reached its limit.
    """

    def __init__(
        self, search: QueueSearch, now: int, free: int, own_claims: Collection[str], running: Counter[str]
    ) -> None:
        self._search, self._now, self._own_claims, self._running = search, now, own_claims, running
        self._seen: set[str] = set()
        self.free = free
        self.waits_for_room = self._full_page = False
        self.decisions: list[Decision] = []

    def read(self, start: int | None, rows: int) -> Sequence[TaskRow]:
        """Read a page from this place on, and decide on its rows.

        :param start: a greenfield, None for the head of the queue.
        """
        page = self._search.rows.head(now=self._now, rows=rows, start=start)
        self._full_page = 0 < rows <= len(page)
        fresh = [row for row in page if row.task_id not in self._seen]
        self._seen.update(row.task_id for row in fresh)
        own = {job_of(row.task_id) for row in fresh if _may_have_record(row) and row.task_id not in self._own_claims}
        self._search.limits_of(own)
        rooms = {each: self._room(each) for each in own}
        limited = {job_id: room for job_id, room in rooms.items() if room is not None}
        decisions = list(
            for_queued(fresh, self._search.policy, free=self.free, own_claims=self._own_claims, rooms=limited)
        )
        claimed = [job_of(each.row.task_id) for each in decisions if each.step is Step.CLAIM]
        self.free -= len(claimed)
        self._running.update(claimed)
        self.decisions += decisions
        self.waits_for_room = self.waits_for_room or any(not self._room(each) for each in limited)
        return page

    def more(self) -> bool:
        """Whether rows may follow the last page, since it was full."""
        return self._full_page

    def is_full(self, row: TaskRow) -> bool:
        """Whether the row's job has reached its limit."""
        return self._room(job_of(row.task_id)) == 0

    def behind(self, row: TaskRow) -> int:
        """The first place from this row on that no job at its limit was planned for."""
        full = [(job_id, limit) for job_id, limit in self._search.limited if self._room(job_id) == 0]
        place = row.greenfield
        place = max([place, *(limit.last for job_id, limit in full if job_id == job_of(row.task_id))])
        while ends := [limit.last for _, limit in full if limit.base <= place < limit.last]:
            place = max(ends)
        return place

    def _room(self, job_id: str) -> int | None:
        limit = self._search.limit_of(job_id)
        return None if limit is None else max(0, limit.max_running - self._running[job_id])


def _may_have_record(row: TaskRow) -> bool:
    """Whether the row may be of a job with a record, and not of a Scheduler of sosw."""
    index = task_index(row.task_id)
    return index is not None and index < _MOST_TASKS
