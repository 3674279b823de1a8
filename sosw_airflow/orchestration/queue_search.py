"""Finds the queued rows that a turn may claim: of moved jobs, and behind jobs that have reached their ``max_running``.

A turn reads the head of the queue. Before it claims from there, it reads the places of the jobs that were moved to the
front, one after the other: `_FRONT_PAGES` pages in all.

Only if rows at the head must wait, for their own job's limit or since it was moved to the back, it reads further,
within bounds: up to `_PASSES` pages behind the places that such jobs were planned for, and one page of `_SWEPT` rows
within these places, which continues at the next turn. So a job that stands behind others is found soon, and a row
between those of such a job is found after ``tasks of that job / _SWEPT`` turns at the latest. If invocations are
still free then, rows of jobs at the back get them.

Jobs that were planned at the same moment share their places. Their tasks may then be invoked out of their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.jobs.identity import job_of, task_index
from sosw_airflow.orchestration.decisions import Decision, Step, for_queued
from sosw_airflow.orchestration.moved_jobs import MovedJobsKeeper
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.readings import LabourerRows
from sosw_airflow.orchestration.task_rows import TaskRow
from sosw_airflow.stores.job_limits import JobLimit, JobLimits
from sosw_airflow.stores.job_places import JobPlaces, MovedJobs

__all__ = ["QueueSearch"]

#: Rows of one page at most, and at least of one behind a limited job: its own last row is the first of them.
_MOST_ROWS, _LEAST_ROWS = 1000, 25

#: Pages of the places of jobs at the front, in one turn.
_FRONT_PAGES = 3

#: Pages behind the places of jobs that must wait, in one turn.
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
    places: JobPlaces
    side_by_side: Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
    monotonic: Callable[[], float]

    _known: dict[str, tuple[JobLimit, float]] = field(default_factory=dict, init=False)
    _swept: int = field(default=0, init=False)
    _reached: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._keeper = MovedJobsKeeper(
            self.rows, self.limits, self.places, self.policy.labourer_id, monotonic=self.monotonic
        )

    @classmethod
    def of_rows(
        cls,
        rows: LabourerRows,
        policy: LabourerPolicy,
        side_by_side: Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]],
        monotonic: Callable[[], float],
    ) -> QueueSearch:
        """The search of these rows, with the job records of the same installation."""
        records = rows.dynamodb, rows.tables.jobs_table
        return cls(rows, policy, JobLimits(*records), JobPlaces(*records), side_by_side, monotonic)

    def find(
        self,
        *,
        now: int,
        free: int,
        own_claims: Collection[str],
        running_ids: Collection[str],
        lease: Mapping[str, Mapping[str, Any]],
    ) -> tuple[list[Decision], bool]:
        """What to do with the rows that were found, and whether any was found.

        :param free: invocations that may be added now.
        :param running_ids: ids of the tasks that are invoked.
        :param lease: the item of the labourer's lease, with the jobs that were moved.
        """
        search = _Turn(
            self,
            now,
            free,
            own_claims,
            running=Counter(map(job_of, running_ids)),
            moved=MovedJobs.of_lease(lease),
        )
        head = search.page(None, min(_MOST_ROWS, free + len(own_claims)) if free else 0)
        self._front(search, head)
        search.decide(head)
        if search.waits_for_room and search.free and search.more():
            passed = search.behind(head[-1])
            self._sweep(search, head[-1].greenfield, passed)
            for _ in range(_PASSES):
                if not search.free:
                    break
                page = search.read(passed, min(_MOST_ROWS, max(_LEAST_ROWS, search.free + len(own_claims))))
                if not (search.more() and search.is_full(job_of(page[-1].task_id))):
                    break
                passed = search.behind(page[-1])
        search.release()
        self._keeper.after_turn(lease, search.met(), now=now)
        return search.decisions, bool(head)

    def at_idle(self, lease: Mapping[str, Mapping[str, Any]], *, now: int) -> None:
        """Forget the moved jobs: the labourer has no task any more.

        :param lease: the item of the labourer's lease.
        """
        self._keeper.at_idle(lease, now=now)

    def _front(self, search: _Turn, head: Sequence[TaskRow]) -> None:
        """Decide on the rows of the jobs at the front: of each those at the head, such as retries, then its others."""
        pages, front = _FRONT_PAGES if search.free else 0, search.moved.front
        self._reached = {job_id: place for job_id, place in self._reached.items() if job_id in front}
        for job_id in front:
            if not (pages and search.free):
                return
            search.decide([row for row in head if job_of(row.task_id) == job_id])
            self.limits_of([job_id])
            limit, _ = self._known[job_id]
            start, reached, least = self._reached.pop(job_id, limit.base + 1), None, 1
            while pages and search.free and not search.is_full(job_id):
                pages -= 1
                rows, least = min(_MOST_ROWS, max(least, search.free + len(search.own_claims))), _LEAST_ROWS
                page = self.rows.head(now=search.now, rows=rows, start=start, end=limit.last)
                own = [row for row in page if job_of(row.task_id) == job_id]
                search.decide(own)
                if reached is None and own:
                    reached = own[0].greenfield
                if len(page) < rows:
                    break
                start = max(page[-1].greenfield, start + 1)
            else:
                # The next turn begins where tasks of the job were found, or may follow.
                self._reached[job_id] = start if reached is None else reached

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
    def known(self) -> Iterator[tuple[str, JobLimit]]:
        """The jobs whose records were read."""
        return ((job_id, limit) for job_id, (limit, _) in self._known.items())


class _Turn:
    """The pages of one turn.

    :ivar waits_for_room: a row was passed over, since its job has reached its limit, or was moved to the back.
    """

    def __init__(
        self,
        search: QueueSearch,
        now: int,
        free: int,
        own_claims: Collection[str],
        *,
        running: Counter[str],
        moved: MovedJobs,
    ) -> None:
        self._search, self.now, self.own_claims, self._running, self.moved = search, now, own_claims, running, moved
        self._seen: set[str] = set()
        self._held: list[TaskRow] = []
        self._back = moved.back
        self.free = free
        self.waits_for_room = self._full_page = False
        self.decisions: list[Decision] = []

    def read(self, start: int | None, rows: int) -> Sequence[TaskRow]:
        """Read a page from this place on, and decide on its rows."""
        page = self.page(start, rows)
        self.decide(page)
        return page

    def page(self, start: int | None, rows: int) -> Sequence[TaskRow]:
        """Read a page from this place on.

        :param start: a greenfield, None for the head of the queue.
        """
        page = self._search.rows.head(now=self.now, rows=rows, start=start)
        self._full_page = 0 < rows <= len(page)
        return page

    def decide(self, rows: Sequence[TaskRow]) -> None:
        """Decide on the rows of a page, but for those on which this turn has decided already."""
        fresh = [row for row in rows if row.task_id not in self._seen]
        self._seen.update(row.task_id for row in fresh)
        own = {job_of(row.task_id) for row in fresh if _may_have_record(row) and row.task_id not in self.own_claims}
        self._search.limits_of(own)
        decided = self._claim(fresh, own)
        self._held += [row for row in fresh if job_of(row.task_id) in self._back and row.task_id not in decided]
        self.waits_for_room = self.waits_for_room or any(self._room(each) == 0 for each in own)

    def _claim(self, rows: Sequence[TaskRow], job_ids: Collection[str]) -> set[str]:
        rooms = {each: room for each in job_ids if (room := self._room(each)) is not None}
        decisions = list(for_queued(rows, self._search.policy, free=self.free, own_claims=self.own_claims, rooms=rooms))
        claimed = [job_of(each.row.task_id) for each in decisions if each.step is Step.CLAIM]
        self.free -= len(claimed)
        self._running.update(claimed)
        self.decisions += decisions
        return {each.row.task_id for each in decisions}

    def release(self) -> None:
        """Give the invocations that are left to the jobs at the back: nothing else was found."""
        if self.free and self._held:
            self._back = frozenset()
            self._claim(self._held, {job_of(row.task_id) for row in self._held})

    def more(self) -> bool:
        """Whether rows may follow the last page, since it was full."""
        return self._full_page

    def met(self) -> set[str]:
        """The jobs of which a task is queued, as far as the turn has read, or invoked."""
        return {*map(job_of, self._seen), *(job_id for job_id, tasks in self._running.items() if tasks)}

    def is_full(self, job_id: str) -> bool:
        """Whether a task of the job must wait: for its limit, or for the tasks of others."""
        return self._room(job_id) == 0

    def behind(self, row: TaskRow) -> int:
        """The first place from this row on that no job was planned for whose tasks must wait."""
        full = [(job_id, limit) for job_id, limit in self._search.known if self._room(job_id) == 0]
        place = row.greenfield
        place = max([place, *(limit.last for job_id, limit in full if job_id == job_of(row.task_id))])
        while ends := [limit.last for _, limit in full if limit.base <= place < limit.last]:
            place = max(ends)
        return place

    def _room(self, job_id: str) -> int | None:
        if job_id in self._back:
            return 0
        limit = self._search.limit_of(job_id)
        return None if limit is None else max(0, limit.max_running - self._running[job_id])


def _may_have_record(row: TaskRow) -> bool:
    """Whether the row may be of a job with a record, and not of a Scheduler of sosw."""
    index = task_index(row.task_id)
    return index is not None and index < _MOST_TASKS
