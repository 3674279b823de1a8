"""Reads why tasks of a job failed: at most a thousand of its failed tasks, evenly spread over the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.closed_tasks import End
from sosw_airflow.waiting.causes import Causes, CausesSummary
from sosw_airflow.waiting.progress import ProgressReader
from sosw_airflow.waiting.results import ResultReader
from sosw_airflow.waiting.task_results import TaskResult, TaskState

__all__ = ["MOST_READ", "LogsOf", "read_causes"]

LogsOf = Callable[[str], Callable[[TaskResult], str]]

#: Failed tasks that are read: ten requests, and 500 read units for rows of up to 4 KB.
MOST_READ = 1000


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
    reader = ResultReader(progress.dynamodb, progress.tables, progress.header)
    causes = Causes(logs_of(progress.header.labourer_id))
    with closing(reader.read(_spread(progress.ended(End.FAILED), failed, most))) as results:
        # A task that the index lists as failed may have completed since.
        causes.add_all(result for result in results if result.state is TaskState.FAILED)
    return causes.summary(failed if failed > most else None)


def _spread(indexes: Iterator[int], length: int, most: int) -> Iterator[int]:
    """At most ``most`` of so many, at equal distances."""
    return islice(indexes, 0, None, max(1, -(-length // most)))
