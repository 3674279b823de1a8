"""What a job begins with, read at once: its header, what the tables can take, where the queue ends.

Only the header is needed in every case, so the others fail when they are asked for. A job that is new, and most are,
saves three round trips; one that is known has read half a unit too much.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING

from sosw_airflow.jobs.greenfield import Placement, place_at_back, place_at_front
from sosw_airflow.stores.overlapping import submit
from sosw_airflow.stores.task_queue import Capacity, TaskQueue, table_capacity

if TYPE_CHECKING:
    from sosw_airflow.scheduling.requests import Request
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.job_record import Header, JobRecords

__all__ = ["FirstReads"]

#: Seconds for which the end of the queue that was read counts as its end. A long plan reads it again.
_FRESH = 1.0


class FirstReads:
    """The reads that a job begins with; they are under way once this is made.

    :param pool: sends them.
    :param with_jobs_table: pages will be written, and each has a marker there.
    """

    def __init__(
        self,
        deployment: Deployment,
        records: JobRecords,
        request: Request,
        pool: Executor,
        *,
        with_jobs_table: bool = False,
    ) -> None:
        self._deployment = at = deployment
        self._labourer_id, self._position = request.identity.labourer_id, request.queue_position
        tables = at.tables

        def capacity(table: str, setting: str, index: str | None = None) -> Future[Capacity]:
            return submit(pool, lambda: table_capacity(at.dynamodb, table, setting=setting, index=index))

        self._header = submit(pool, records.header, request.identity.job_id)
        self._tasks = capacity(tables.tasks_table, "tasks_table", tables.index_greenfield)
        self._meta = capacity(tables.meta_table, "meta_table") if tables.meta_table else None
        self._jobs = capacity(tables.jobs_table, "jobs_table") if with_jobs_table else None
        self._read_at = at.now()
        self._end = submit(pool, self._end_of_queue)

    def header(self) -> Header | None:
        """The job's header.

        :raises SoswError: it cannot be read.
        """
        return self._header.result()

    def tasks_capacity(self) -> Capacity:
        """What the tables that get rows can take; also shows that they exist.

        :raises MissingTable: one does not.
        """
        capacity = self._tasks.result()
        if self._meta is None:
            return capacity
        units = [each for each in (capacity.table, self._meta.result().table) if each]
        return Capacity(min(units, default=None), capacity.index)

    def jobs_capacity(self) -> Capacity:
        """What the table of job records can take."""
        return self._jobs.result() if self._jobs else Capacity()

    def place(self, tasks: int) -> Placement:
        """The places of so many tasks at their end of the queue.

        :raises QueueFull: there is no room.
        """
        now = self._deployment.now()
        end = self._end.result() if now - self._read_at <= _FRESH else self._end_of_queue()
        place = place_at_front if self._position == "front" else place_at_back
        return place(end, tasks, now=int(now), labourer_id=self._labourer_id)

    def _end_of_queue(self) -> int | None:
        at = self._deployment
        tables = at.tables
        queue = TaskQueue(at.dynamodb, tables.tasks_table, tables.index_greenfield, self._labourer_id, now=at.now)
        return queue.oldest() if self._position == "front" else queue.newest()
