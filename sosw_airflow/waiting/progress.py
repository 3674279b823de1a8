"""How far the workers are with a job, read at a cost that does not grow with what is already counted.

Each poll continues the reading of the former one. What is read twice counts once, since tasks are counted by their
index in the job. A new reader (another process, a restarted triggerer) catches up in its first poll. Readers of one
process may then share one reading of their labourer.

What slips through even so is found when nothing has moved for a while, by asking for missing tasks by their ids. If one
was missed, closings are read again from it, and what was read in haste. A task that is in no table at all is lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sosw_airflow.exceptions import AccessDenied, JobDelivered, JobRecordDamaged, SoswError
from sosw_airflow.jobs.identity import job_of, task_id, task_index
from sosw_airflow.jobs.transitions import IN_DELIVERY, JobState
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.closed_tasks import ClosedEntry, ClosedTask, ClosedTasks, End
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.stores.task_queue import open_tasks
from sosw_airflow.waiting.closings import ClosingsReading
from sosw_airflow.waiting.index_set import IndexSet
from sosw_airflow.waiting.shared_closings import SharedClosings, SharedReadings

__all__ = ["JobProgress", "ProgressReader"]

log = logging.getLogger(__name__)

#: Seconds before the job's creation from which the first poll reads: our clock may be ahead of the Scavenger's.
HEAD_START = 600

#: Polls without progress after which missing tasks are asked for by id: the first time, then each time twice as many.
#: Where closings are read in haste, some are asked for after half as many.
_QUIET_POLLS = 8

#: Tasks that are asked for by id at a time.
_ASKED = 100


@dataclass(frozen=True)
class JobProgress:
    """The counts of a job.

    :ivar state: None while there is no record of the job.
    :ivar total: tasks of the job, 0 while that is not known.
    :ivar failed: closed without having been completed.
    :ivar lost: ids of tasks that are in none of sosw's tables; not all of them are known.
    :ivar more: the poll has stopped at its bound, so that more tasks are closed than were counted.
    """

    job_id: str
    state: JobState | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    lost: tuple[str, ...] = ()
    more: bool = False

    @property
    def closed(self) -> int:
        """Tasks that are over."""
        return self.completed + self.failed

    @property
    def over(self) -> bool:
        """Nothing more will happen: every task is closed, or the job was cancelled."""
        return self.state is JobState.CANCELLED or (self.state is not None and self.closed >= self.total)


@dataclass(eq=False)
class ProgressReader:
    """Counts the closed tasks of one job. Used by one thread at a time; the next poll continues one that failed.

    With ``sharing`` other readers, in other threads, read for this one, too.

    :ivar dynamodb: a boto3 DynamoDB client with botocore's retries.
    :ivar on_closed: called with the second since 1970, and the end, of each task that is counted.
    :ivar must_exist: the job was scheduled, so that a record that does not exist was removed.
    :ivar header: of the job, as the last poll has found it.
    :ivar sharing: the readings that readers share; None to read alone.
    :ivar max_age: seconds after which a poll reads again what others have read; it also does if they began to before
        ``news_at``, by `time.monotonic`.
    :ivar on_shared: called in their threads when others have read for this one.
    """

    dynamodb: Any
    tables: TableNames
    job_id: str
    must_exist: bool = False
    on_closed: Callable[[int, End], None] | None = None
    header: Header | None = field(default=None, init=False)
    sharing: SharedReadings | None = field(default=None, init=False)
    max_age: float = field(default=0.0, init=False)
    news_at: float = field(default=float("-inf"), init=False)
    on_shared: Callable[[], None] | None = field(default=None, init=False)
    _ends: dict[End, IndexSet] = field(default_factory=dict, init=False)
    _counting: threading.Lock = field(default_factory=threading.Lock, init=False)
    _reading: ClosingsReading = field(default_factory=lambda: ClosingsReading(0), init=False)
    _shared: SharedClosings | None = field(default=None, init=False)
    _caught_up: bool = field(default=False, init=False)
    _before: int = field(default=0, init=False)
    _quiet: int = field(default=0, init=False)
    _ask_at: int = field(default=_QUIET_POLLS, init=False)
    _asked_up_to: int = field(default=0, init=False)
    _suspects: list[int] = field(default_factory=list, init=False)
    _lost: tuple[str, ...] = field(default=(), init=False)

    def read(self, *, most_pages: int | None = None) -> JobProgress:
        """Read what is new. Blocks for a few requests.

        :param most_pages: of 1,000 closings, 25 read units each; the next poll continues. None: all.
        :raises JobDelivered: its tasks have ids that are not known here.
        :raises JobRecordDamaged: its record was removed, or cannot be read.
        :raises SoswError: AWS refuses.
        """
        header = self._read_header()
        if header is None:
            return JobProgress(self.job_id)
        if header.state in IN_DELIVERY:
            raise JobDelivered(self.job_id)
        if not self._ends:
            self._begin(header)
        closed_tasks = ClosedTasks(self.dynamodb, self.tables, header.labourer_id)
        more = not self._read_closings(closed_tasks, header.labourer_id, most_pages)
        before, self._before = self._before, self._closed
        if self._closed > before or more:
            self._quiet, self._ask_at = 0, _QUIET_POLLS
        elif self._closed < header.tasks:
            self._quiet += 1
            due = self._quiet >= self._ask_at
            if due:
                self._ask_at = 2 * self._quiet
            half = self._ask_at == 2 * self._quiet and self._is_hasty()
            if due or half or self._suspects:
                self._settle(self._ask(closed_tasks, header, lost=due or bool(self._suspects)))
        return self._progress(header, more=more)

    def counted(self) -> JobProgress:
        """What is counted by now, without a request."""
        return JobProgress(self.job_id) if self.header is None or not self._ends else self._progress(self.header)

    def _progress(self, header: Header, *, more: bool = False) -> JobProgress:
        return JobProgress(
            self.job_id,
            header.state,
            header.tasks,
            completed=len(self._ends[End.COMPLETED]),
            failed=len(self._ends[End.FAILED]),
            lost=self._lost,
            more=more,
        )

    def read_patiently(self, backoff: Backoff) -> JobProgress:
        """As `read`, but a table that is slow only makes it wait, as long as anything comes.

        :raises SoswError: as `read`.
        """
        while True:
            before = self.position
            try:
                return self.read()
            except SoswError as error:
                if not error.retryable or isinstance(error, AccessDenied):
                    raise
                if self.position != before:
                    backoff.answered()
                if not backoff.wait():
                    raise

    @property
    def position(self) -> tuple[object, ...]:
        """How far the reading has come; another one after a poll that has read something new."""
        shared = () if self._shared is None else self._shared.position
        return (self._closed, *self._reading.position, *shared)

    def failed(self) -> Iterator[str]:
        """The ids of the tasks that are known to have failed, in the job's order."""
        return (task_id(self.job_id, index) for index in self.ended(End.FAILED))

    def ended(self, end: End) -> Iterator[int]:
        """The indexes of the tasks that are known to have ended so, in the job's order."""
        return iter(self._ends.get(end, ()))

    def open_indexes(self) -> Iterator[int]:
        """The indexes of the tasks that are not known to be closed, in the job's order."""
        return self._missing(0)

    @property
    def _closed(self) -> int:
        return sum(map(len, self._ends.values()))

    def _read_header(self) -> Header | None:
        records = JobRecords(self.dynamodb, self.tables.jobs_table)
        header = records.header(self.job_id, consistent=False)
        if header is None and (self.must_exist or self.header is not None):
            # A replica of the table may not have it yet.
            header = records.header(self.job_id)
            if header is None:
                raise JobRecordDamaged(
                    f"The record of the job {self.job_id} is not in {self.tables.jobs_table} any more: its time to "
                    f"live (180 days) has ended, or it was deleted. Without it the closed tasks of the job cannot be "
                    f"counted. Its tasks stay in the queue or with the workers. Fix: check what the workers have done; "
                    f"then mark the Airflow task as successful, or clear it to schedule every task again."
                )
        self.header = header
        return header

    def _begin(self, header: Header) -> None:
        self._ends = {end: IndexSet(header.tasks) for end in End}
        self._reading = ClosingsReading(header.created_at - HEAD_START)

    def _read_closings(self, closed_tasks: ClosedTasks, labourer_id: str, most_pages: int | None) -> bool:
        """Count what is new. False: no page is left to read, and there is more."""
        self._join(None if self.sharing is None else self.sharing.of(labourer_id))
        if self._shared is not None and self._caught_up:
            self._shared.refresh(self.max_age, self.news_at)
            return True
        complete = self._reading.read(closed_tasks, self.take, most_pages=most_pages)
        if self._shared is not None and complete:
            self._shared.continue_from(self._reading)
            self._caught_up = True
        return complete

    def _is_hasty(self) -> bool:
        """Whether closings may have been missed by haste."""
        shared = self._shared is not None and self._caught_up and self._shared.is_hasty
        return shared or bool(self._reading.hasty)

    def _settle(self, found: list[ClosedTask]) -> None:
        """If a closing that was asked for was missed, let the next poll read again, alone, from the first such one."""
        shared = self._shared.reached() if self._shared is not None and self._caught_up else None
        reading = shared or self._reading
        # Others were closed since the last reading: the next one finds them.
        missed = [row.closed_at for row in found if reading.has_passed(row.closed_at, row.end)]
        if missed:
            self._reading.settle(reading, min(missed))
            self._caught_up = False

    def _join(self, shared: SharedClosings | None) -> None:
        """Take part in this reading, and in no other one any more; None: alone, from where the former one is."""
        if shared is self._shared:
            return
        if self._shared is not None:
            self._shared.leave(self)
            self._reading = (self._caught_up and self._shared.reached()) or self._reading
        self._shared, self._caught_up = shared, False
        if shared is not None:
            shared.join(self)  # before it catches up, so that nothing is missed in between

    def leave(self) -> None:
        """Read alone from now on, if at all. It may be called in any thread, and does not wait."""
        self.sharing, shared = None, self._shared
        if shared is not None:
            shared.leave(self)

    def take(self, closing: ClosedEntry, end: End) -> bool:
        """Count a closing of the labourer; those of other jobs do not count. True: it is new, and nothing is behind."""
        new = self._count(closing.task_id, end)
        if new and self.on_closed is not None:
            self.on_closed(closing.closed_at, end)
        return new and (self._shared is None or self._caught_up)

    def after_shared_reading(self) -> None:
        """Report that others have read."""
        if self.on_shared is not None:
            self.on_shared()

    def _count(self, task: str, end: End) -> bool:
        """Count a task of the job. False: it is none, or is counted already."""
        index = task_index(task) if job_of(task) == self.job_id else None
        if index is None:
            return False
        with self._counting:
            if end is End.COMPLETED:
                # A task that was archived as failed and completed after all has completed, in whatever order that is
                # read.
                self._ends[End.FAILED].discard(index)
                return self._ends[end].add(index)
            return index not in self._ends[End.COMPLETED] and self._ends[end].add(index)

    def _ask(self, closed_tasks: ClosedTasks, header: Header, *, lost: bool) -> list[ClosedTask]:
        """Ask for some of the missing tasks by their ids, the next ones each time; first for those that seem lost.

        :param lost: find those that are in no table as well.
        :return: those that are closed, and were not counted before.
        """
        suspects, self._suspects = self._suspects, []
        missing = suspects or list(islice(self._missing(self._asked_up_to), _ASKED))
        missing = missing or list(islice(self._missing(0), _ASKED))
        rows, unanswered = closed_tasks.some_rows([task_id(self.job_id, index) for index in missing])
        found = [row for row in rows if self.take(ClosedEntry(row.task_id, row.closed_at), row.end)]
        if not lost:
            return found
        if not suspects and missing:
            self._asked_up_to = missing[-1] + 1
        if unanswered or header.state is not JobState.WRITTEN:
            return found  # the table is slow, or tasks are missing since they are not in the queue yet
        absent = self._in_no_table([index for index in missing if self._is_open(index)], header)
        if suspects:
            # Twice, a poll apart: a row that moves from one table to another can be missed once.
            self._lost = tuple(task_id(self.job_id, index) for index in absent)
        else:
            self._suspects = absent
        return found

    def _in_no_table(self, indexes: list[int], header: Header) -> list[int]:
        tasks = {task_id(self.job_id, index): index for index in indexes}
        try:
            found = open_tasks(self.dynamodb, self.tables, header.labourer_id, list(tasks))
        except AccessDenied as error:
            log.info("Whether tasks of the job %s are lost cannot be checked. %s", self.job_id, error)
            return []
        return [index for task, index in tasks.items() if task not in found]

    def _is_open(self, index: int) -> bool:
        return index not in self._ends[End.COMPLETED] and index not in self._ends[End.FAILED]

    def _missing(self, start: int) -> Iterator[int]:
        return filter(self._is_open, range(start, self._ends[End.COMPLETED].size))
