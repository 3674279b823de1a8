"""Reads why tasks failed: of a job, at most a thousand, evenly spread over it; of a labourer, the newest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.bounded_query import BoundedQueries
from sosw_airflow.stores.closed_tasks import ClosedTasks, End, whole_number
from sosw_airflow.stores.job_record import Header
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.causes import Causes, CausesSummary, cause_of
from sosw_airflow.waiting.progress import ProgressReader
from sosw_airflow.waiting.results import ResultReader
from sosw_airflow.waiting.task_results import TaskResult, TaskState

__all__ = ["MOST_READ", "NEWEST", "LogsOf", "read_causes", "read_failed_of_cause", "read_newest_causes"]

LogsOf = Callable[[str], Callable[[TaskResult], str]]

#: Failed tasks that are read: ten requests, and 500 read units for rows of up to 4 KB.
MOST_READ = 1000

#: Newest failed tasks of a labourer that are read: two requests, 13 and 100 read units for rows of 1 and up to 4 KB.
NEWEST = 100


def read_causes(
    progress: ProgressReader, logs_of: LogsOf = lambda _: lambda _: "", *, most: int = MOST_READ
) -> CausesSummary:
    """The causes of the failures of a job.

    :param most: failed tasks that are read.
    :param progress: of the job. One that has not read yet catches up first: 16 read units for 1,000 closed tasks.
    :param logs_of: gives, for a labourer, what gives the address of a task's log.
    :raises SoswError: AWS refuses.
    """
    if progress.header is None:
        progress.read_patiently(Backoff())
    if progress.header is None:
        return CausesSummary()
    failed = sum(1 for _ in progress.ended(End.FAILED))
    causes = Causes(logs_of(progress.header.labourer_id)).add_all(_failures(progress, progress.header, failed, most))
    return causes.summary(failed if failed > most else None)


def read_failed_of_cause(progress: ProgressReader, cause: str, *, most: int = MOST_READ) -> list[TaskResult]:
    """The failed tasks of one cause, among those that `read_causes` reads.

    :param progress: of the job, which has read.
    :param cause: the message of a `Cause`.
    :raises SoswError: AWS refuses.
    """
    if progress.header is None:
        return []
    failed = sum(1 for _ in progress.ended(End.FAILED))
    return [each for each in _failures(progress, progress.header, failed, most) if cause_of(each.error) == cause]


def _failures(progress: ProgressReader, header: Header, failed: int, most: int) -> Iterable[TaskResult]:
    reader = ResultReader(progress.dynamodb, progress.tables, header)
    with closing(reader.read(_spread(progress.ended(End.FAILED), failed, most))) as results:
        # A task that the index lists as failed may have completed since.
        yield from (result for result in results if result.state is TaskState.FAILED)


def read_newest_causes(dynamodb: Any, tables: TableNames, labourer_id: str, *, since: int) -> CausesSummary:
    """The causes of the newest failures of a labourer, whichever their jobs are.

    :param since: seconds since 1970.
    :raises SoswError: AWS refuses.
    """
    found, _ = BoundedQueries(dynamodb, NEWEST).read(
        tables.closed_tasks_table,
        tables.closed_tasks_index,
        "labourer_id_task_status = :failed AND closed_at > :since",
        {":failed": f"{labourer_id}_{End.FAILED.value}", ":since": since},
        ProjectionExpression="task_id, closed_at",
        ScanIndexForward=False,
    )
    closed_at = {row["task_id"]["S"]: whole_number(row["closed_at"]["N"]) for row in found}
    if not closed_at:
        return CausesSummary()
    rows, _ = ClosedTasks(dynamodb, tables, labourer_id).some_rows(list(closed_at))
    failed = [row for row in rows if row.end is End.FAILED]  # one may have completed since
    causes = Causes().add_all(
        TaskResult(0, row.task_id, TaskState.FAILED, error=row.error, closed_at=closed_at[row.task_id])
        for row in failed
    )
    return causes.summary()


def _spread(indexes: Iterator[int], length: int, most: int) -> Iterator[int]:
    """At most ``most`` of so many, at equal distances."""
    return islice(indexes, 0, None, max(1, -(-length // most)))
