"""Cancels a job: takes out of the queue what no worker has got yet, and lets no writer add anything.

1. The header goes to ``cancelled``, and keeps the state before that: no later attempt resumes the job.
2. Every page without a marker gets one that says so: a copy of the writer that still lives cannot commit it any more.
3. The rows that were never invoked are deleted, each on the condition that it still was not.
4. The header keeps when the cancelling has ended, so that an interrupted one is found.

A delivered job has no rows of its own; its queue file is withdrawn instead. Each step can be repeated, so a cancelling
that was interrupted is finished by the next one.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.exceptions import AccessDenied
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.jobs.pages import PageLimits, cut_pages
from sosw_airflow.jobs.transitions import CANCEL, END_CANCEL, IN_DELIVERY, JobState
from sosw_airflow.scheduling.deliver import withdraw
from sosw_airflow.stores.aws_errors import Verdict, error_code, explain, judge, was_refused
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.closed_tasks import ClosedTasks
from sosw_airflow.stores.job_record import Header, JobRecords, Marker
from sosw_airflow.stores.queue_file import QueueFile, QueueFileGone
from sosw_airflow.waiting.progress_log import ProgressFactory, ProgressLog

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["CancelResult", "cancel_job"]

log = logging.getLogger(__name__)

_CONCURRENCY = 8
_T = TypeVar("_T")


@dataclass(frozen=True)
class CancelResult:
    """What became of a job's tasks.

    :ivar removed: tasks that were taken out of the queue now.
    :ivar kept: tasks that had been invoked, or are gone already (completed, archived, removed before). None if AWS does
        not say.
    :ivar never_written: tasks that had not come into the queue. None if AWS does not say.
    """

    job_id: str
    removed: int
    kept: int | None
    never_written: int | None

    def __str__(self) -> str:
        """For a message."""
        removed = counted(self.removed, "task was", "tasks were")
        if self.kept is None or self.never_written is None:
            return f"{removed} removed from the queue; how many of the others were invoked is unknown"
        return (
            f"{removed} removed from the queue, {counted(self.kept, 'is', 'are')} with the workers or over, "
            f"{counted(self.never_written, 'was', 'were')} never written"
        )


def cancel_job(deployment: Deployment, job_id: str, *, progress: ProgressFactory = ProgressLog) -> CancelResult | None:
    """Cancel a job in any state; None if the job does not exist.

    :param progress: begins to count the tasks that are removed.
    :raises SoswError: AWS refuses; what is done is done, and calling again finishes it.
    """
    records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table, now=deployment.now)
    change = records.change(CANCEL, job_id)
    header = change.after
    if change.before is None or header is None:
        return None
    before = JobState(header.cancelled_from)
    if before in IN_DELIVERY:
        # A file that is missing may be drained, or withdrawn by the cancelling that is repeated.
        drained_if_missing = change.before.state is JobState.DELIVERED
        cancelled = _withdraw(deployment, header, drained_if_missing=drained_if_missing)
    elif before is JobState.CANCELLED:
        cancelled = _finish_older(deployment, records, header, progress)
    else:
        cancelled = _remove_rows(deployment, records, header, progress)
    records.change(END_CANCEL, job_id)
    log.info("The job %s is cancelled: %s.", job_id, cancelled)
    return cancelled


def _withdraw(deployment: Deployment, header: Header, *, drained_if_missing: bool) -> CancelResult:
    """Take back the queue file of a delivered job."""
    tasks = header.tasks
    withdrawn = withdraw(deployment, header)
    if withdrawn:
        return CancelResult(header.job_id, tasks, 0, 0)
    if withdrawn is None or not drained_if_missing:
        return CancelResult(header.job_id, 0, None, None)
    return CancelResult(header.job_id, 0, tasks, 0)


def _finish_older(
    deployment: Deployment, records: JobRecords, header: Header, progress: ProgressFactory
) -> CancelResult:
    """Finish a cancelling by version 0.1, whose record does not say whether the job was delivered."""
    if withdraw(deployment, header):
        return CancelResult(header.job_id, header.tasks, 0, 0)
    return CancelResult(header.job_id, _remove_rows(deployment, records, header, progress).removed, None, None)


def _remove_rows(
    deployment: Deployment, records: JobRecords, header: Header, progress: ProgressFactory
) -> CancelResult:
    """Let no page be committed any more, and delete the rows that were never invoked."""
    committed = [marker for marker in _close_pages(records, header) if not marker.cancelled]
    queue_file = QueueFile(deployment.s3, header.queue_bucket, header.queue_key, fingerprint=header.fingerprint)
    written = _written(header, committed, queue_file)
    indexes = [range(header.tasks)] if written is None else written
    total = sum(map(len, indexes))
    counted = progress(f"Cancelling job {header.job_id}", total)
    removed = 0
    for was_there in _in_parallel(
        lambda index: _remove(deployment, task_id(header.job_id, index)), (index for part in indexes for index in part)
    ):
        removed += was_there
        counted.add(1)
    queue_file.delete()
    if written is None:
        return CancelResult(header.job_id, removed, None, None)
    return CancelResult(header.job_id, removed, total - removed, header.tasks - total)


def _close_pages(records: JobRecords, header: Header) -> list[Marker]:
    """Put a marker on each page that has none. Returns the markers of all pages."""
    markers = {marker.page: marker for marker in records.markers(header.job_id)}
    missing = (page for page in range(header.pages) if page not in markers)
    return [*markers.values(), *_in_parallel(lambda page: records.close_page(header, page), missing)]


def _written(header: Header, committed: list[Marker], queue_file: QueueFile) -> list[range] | None:
    """The indexes of the tasks whose pages were committed; None if that is not known."""
    known = [tasks for marker in committed if (tasks := marker.tasks) is not None]
    if len(known) == len(committed):
        return known
    # Markers of version 0.1 do not say which tasks they stand for, but the plan does.
    numbers = {marker.page for marker in committed}
    if len(numbers) == header.pages:
        return [range(header.tasks)]
    try:
        return [
            range(page.first, page.first + len(page.lines))
            for page in cut_pages(queue_file.lines(header.queue_bytes), PageLimits(header.page_rows, header.page_units))
            if page.number in numbers
        ]
    except (QueueFileGone, AccessDenied) as error:
        if isinstance(error, AccessDenied) and not error.may_be_missing:
            raise
        return None


def _remove(deployment: Deployment, task: str) -> bool:
    """Delete a row that was never invoked. False: it was invoked, or it does not exist."""
    table = deployment.tables.tasks_table
    backoff, lost = Backoff(), False
    while True:
        try:
            deployment.dynamodb_once.delete_item(
                TableName=table,
                Key={"task_id": {"S": task}},
                # Upstream counts an attempt in the very update that invokes a task.
                ConditionExpression="attempts = :none",
                ExpressionAttributeValues={":none": {"N": "0"}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except (ClientError, BotoCoreError) as error:  # noqa: PERF203 - a request costs a thousand times as much
            if error_code(error) == "ConditionalCheckFailedException":
                # A row that is gone after a request whose answer was lost was removed by that one, or archived since.
                gone = isinstance(error, ClientError) and "Item" not in error.response
                return lost and gone and not _is_closed(deployment, task)
            if judge(error) not in (Verdict.THROTTLED, Verdict.TRANSIENT) or not backoff.wait():
                raise explain(error, action="dynamodb:DeleteItem", resource=table, setting="tasks_table") from error
            lost = lost or not was_refused(error)
        else:
            return True


def _is_closed(deployment: Deployment, task: str) -> bool:
    return next(iter(ClosedTasks(deployment.dynamodb, deployment.tables, "").rows([task])), None) is not None


def _in_parallel(call: Callable[[int], _T], numbers: Iterable[int]) -> Iterator[_T]:
    """The results of the calls, in order, a few at a time."""
    with ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="sosw-cancel") as pool:
        waiting: deque[Future[_T]] = deque()
        for number in numbers:
            waiting.append(pool.submit(call, number))
            if len(waiting) > 2 * _CONCURRENCY:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
