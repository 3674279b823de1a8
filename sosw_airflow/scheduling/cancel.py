"""Cancels a job: takes out of the queue what no worker has got yet, and lets no writer add anything.

1. The header goes to ``cancelled``: no later attempt resumes the job.
2. Every page without a marker gets one that says so: a copy of the writer that still lives cannot commit it any more.
3. The rows that were never invoked are deleted, each on the condition that it still was not.

Each step can be repeated, so that a cancelling which was interrupted is finished by the next one.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import AccessDenied
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.jobs.pages import PageLimits, cut_pages
from sosw_airflow.scheduling.deliver import withdraw
from sosw_airflow.stores.aws_errors import error_code
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.job_record import Header, JobRecords, JobState
from sosw_airflow.stores.queue_file import QueueFile, QueueFileGone
from sosw_airflow.waiting.progress_log import ProgressFactory, ProgressLog

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["Cancelled", "cancel_job"]

log = logging.getLogger(__name__)

_CONCURRENCY = 8
_T = TypeVar("_T")


@dataclass(frozen=True)
class Cancelled:
    """What became of a job's tasks.

    :ivar removed: tasks that were taken out of the queue now.
    :ivar kept: tasks that had been invoked, or are gone already (completed, archived, removed before).
    :ivar never_written: tasks that had not come into the queue.
    """

    job_id: str
    removed: int
    kept: int
    never_written: int


def cancel_job(deployment: Deployment, job_id: str, *, progress: ProgressFactory = ProgressLog) -> Cancelled | None:
    """Cancel a job that was planned or written; None if the job does not exist.

    :param progress: begins to count the tasks that are removed.
    :raises SoswError: AWS refuses; what is done is done, and calling again finishes it.
    """
    records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table, now=deployment.now)
    header = records.header(job_id)
    if header is None:
        return None
    records.change_state(header, JobState.CANCELLED, allowed=tuple(JobState))
    if header.state in (JobState.DELIVERING, JobState.DELIVERED):
        withdrawn = withdraw(deployment, header)
        fate = {True: "is removed", False: "was taken before", None: "is removed if no Scheduler has taken it"}
        log.info("The job %s is cancelled; its queue file %s.", job_id, fate[withdrawn])
        return Cancelled(job_id, header.tasks if withdrawn else 0, 0 if withdrawn else header.tasks, 0)
    closed = _close_pages(deployment, records, header)
    queue_file = QueueFile(deployment.s3, header.queue_bucket, header.queue_key)
    written = list(_written(header, closed, queue_file)) if closed else [range(header.tasks)]
    total = sum(map(len, written))
    counted = progress(f"Cancelling job {job_id}", total)
    removed = 0
    for was_there in _in_parallel(
        lambda index: _remove(deployment, task_id(job_id, index)), (index for part in written for index in part)
    ):
        removed += was_there
        counted.add(1)
    queue_file.delete()
    cancelled = Cancelled(job_id, removed, total - removed, header.tasks - total)
    log.info(
        "The job %s is cancelled: %s tasks removed from the queue, %s had been invoked, %s were never written.",
        job_id,
        f"{cancelled.removed:,}",
        f"{cancelled.kept:,}",
        f"{cancelled.never_written:,}",
    )
    return cancelled


def _close_pages(deployment: Deployment, records: JobRecords, header: Header) -> set[int]:
    """Put a marker on each page that has none. Returns the pages that were never committed."""
    markers = dict(records.markers(header.job_id))
    closed = {page for page, cancelled in markers.items() if cancelled}

    def close(page: int) -> int | None:
        marker = records.marker(header, page, cancelled=True)
        put = partial(deployment.dynamodb.put_item, **marker)
        # Without it, the page was committed in this very moment.
        is_new = _if_allowed(put, action="dynamodb:PutItem", resource=records.table, setting="jobs_table")
        return page if is_new else None

    missing = (page for page in range(header.pages) if page not in markers)
    return closed | {page for page in _in_parallel(close, missing) if page is not None}


def _written(header: Header, closed: set[int], queue_file: QueueFile) -> Iterator[range]:
    """The indexes of the tasks whose pages were committed."""
    try:
        for page in cut_pages(queue_file.lines(), PageLimits(header.page_rows, header.page_units)):
            if page.number not in closed:
                yield range(page.first, page.first + len(page.lines))
    except (QueueFileGone, AccessDenied) as error:
        if isinstance(error, AccessDenied) and not error.may_be_missing:
            raise
        # Which tasks a page has is unknown without the file. To remove all of them is slower, but as right.
        yield range(header.tasks)


def _remove(deployment: Deployment, task: str) -> bool:
    """Delete a row that was never invoked. False: it was invoked, or it does not exist."""
    table = deployment.tables.tasks_table
    delete = partial(
        deployment.dynamodb.delete_item,
        TableName=table,
        Key={"task_id": {"S": task}},
        # Upstream counts an attempt in the very update that invokes a task.
        ConditionExpression="attempts = :none",
        ExpressionAttributeValues={":none": {"N": "0"}},
    )
    return _if_allowed(delete, action="dynamodb:DeleteItem", resource=table, setting="tasks_table")


def _if_allowed(request: Callable[[], object], *, action: str, resource: str, setting: str) -> bool:
    """Send a conditional request until AWS answers. False: its condition does not hold."""

    def send() -> bool:
        try:
            request()
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    # A small table, or a transaction of a writer that still lives, must not end the cancelling in its middle.
    return Backoff().call(send, action=action, resource=resource, setting=setting)


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
