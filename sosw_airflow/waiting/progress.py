"""How far the workers are with a job, read at a cost that does not grow with what is already known.

Each poll reads the index of closed tasks from where the former one came to, less an overlap. What is read twice counts
once, since tasks are counted by their index in the job. A watch that starts anew (another process, a triggerer that was
restarted) catches up in its first poll.

Clocks: the index is ordered by ``closed_at``, by the clock of whoever runs sosw's Scavenger. The cursor follows what
was read, not our clock, and the overlap forgives Scavengers that differ from each other. What slips through even so is
found by asking for missing tasks by their ids, when nothing has moved for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sosw_airflow.exceptions import JobDelivered
from sosw_airflow.jobs.identity import job_of, task_id, task_index
from sosw_airflow.stores.closed_tasks import ClosedTasks, End
from sosw_airflow.stores.job_record import Header, JobRecords, JobState
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.index_set import IndexSet

__all__ = ["JobProgress", "ProgressReader"]

#: Seconds that are read again at each poll: clocks of Scavengers that differ, and an index that lags behind its table.
OVERLAP = 180

#: Seconds before the job's creation from which the first poll reads: our clock may be ahead of the Scavenger's.
HEAD_START = 600

#: Polls without progress after which missing tasks are asked for by id: the first time, then each time twice as many.
_QUIET_POLLS = 8

#: Tasks that are asked for by id at a time.
_ASKED = 100


@dataclass(frozen=True)
class JobProgress:
    """Where a job stands.

    :ivar state: None where there is no record of the job (yet).
    :ivar total: tasks of the job, 0 while that is not known.
    :ivar failed: closed without having been completed.
    """

    job_id: str
    state: JobState | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def closed(self) -> int:
        """Tasks that are over."""
        return self.completed + self.failed

    @property
    def over(self) -> bool:
        """Nothing more will happen: every task is closed, or the job was cancelled."""
        return self.state is JobState.CANCELLED or (self.state is not None and self.closed >= self.total)


@dataclass
class ProgressReader:
    """Follows one job. Used by one thread at a time; a poll that fails is gone on with by the next.

    :ivar dynamodb: a boto3 DynamoDB client with botocore's retries.
    :ivar header: of the job, as the last poll has found it.
    """

    dynamodb: Any
    tables: TableNames
    job_id: str
    header: Header | None = field(default=None, init=False)
    _ends: dict[End, IndexSet] = field(default_factory=dict, init=False)
    _cursors: dict[End, int] = field(default_factory=dict, init=False)
    _quiet: int = field(default=0, init=False)
    _ask_at: int = field(default=_QUIET_POLLS, init=False)
    _asked_up_to: int = field(default=0, init=False)

    def read(self) -> JobProgress:
        """Read what is new. Blocks for a few requests.

        :raises JobDelivered: its tasks cannot be told from others.
        :raises SoswError: AWS refuses.
        """
        self.header = JobRecords(self.dynamodb, self.tables.jobs_table).header(self.job_id, consistent=False)
        if self.header is None:
            return JobProgress(self.job_id)
        if self.header.state in (JobState.DELIVERING, JobState.DELIVERED):
            raise JobDelivered(self.job_id)
        if not self._ends:
            self._begin(self.header)
        before = self._closed
        closed_tasks = ClosedTasks(self.dynamodb, self.tables, self.header.labourer_id)
        for end in End:
            self._read(closed_tasks, end)
        if self._closed > before:
            self._quiet, self._ask_at = 0, _QUIET_POLLS
        elif self._closed < self.header.tasks:
            self._quiet += 1
            if self._quiet >= self._ask_at:
                self._ask_at = 2 * self._quiet
                self._ask(closed_tasks)
        return JobProgress(
            self.job_id,
            self.header.state,
            self.header.tasks,
            completed=len(self._ends[End.COMPLETED]),
            failed=len(self._ends[End.FAILED]),
        )

    def failed(self) -> Iterator[str]:
        """The ids of the tasks that are known to have failed, in the job's order."""
        return (task_id(self.job_id, index) for index in self._ends.get(End.FAILED, ()))

    @property
    def _closed(self) -> int:
        return sum(map(len, self._ends.values()))

    def _begin(self, header: Header) -> None:
        self._ends = {end: IndexSet(header.tasks) for end in End}
        self._cursors = dict.fromkeys(End, header.created_at - HEAD_START)

    def _read(self, closed_tasks: ClosedTasks, end: End) -> None:
        start = self._cursors[end]
        for closing in closed_tasks.since(end, start):
            # As the reading goes on, so that a poll which breaks off is not lost.
            self._cursors[end] = max(start, closing.closed_at - OVERLAP)
            self._count(closing.task_id, end)

    def _count(self, task: str, end: End) -> None:
        if job_of(task) != self.job_id:
            return
        index = task_index(task)
        if end is End.COMPLETED:
            # A task that was archived as failed and completed after all has completed, in whatever order that is read.
            self._ends[End.FAILED].discard(index)
            self._ends[end].add(index)
        elif index not in self._ends[End.COMPLETED]:
            self._ends[end].add(index)

    def _ask(self, closed_tasks: ClosedTasks) -> None:
        """Look for some of the missing tasks by their ids, the next ones each time."""
        missing = list(islice(self._missing(self._asked_up_to), _ASKED)) or list(islice(self._missing(0), _ASKED))
        if missing:
            self._asked_up_to = missing[-1] + 1
        for row in closed_tasks.rows(task_id(self.job_id, index) for index in missing):
            self._count(row.task_id, row.end)

    def _missing(self, start: int) -> Iterator[int]:
        completed, failed = self._ends[End.COMPLETED], self._ends[End.FAILED]
        return (i for i in range(start, completed.size) if i not in completed and i not in failed)
