"""Gives a job to sosw's own Scheduler as a queue file, for deployments that keep it as the writer (sosw rule 7).

The plan is written as for any job. Then it is copied, at most once, to a name under which that Scheduler takes it:

1. The header goes to ``delivering``: a copy may exist from now on.
2. One request makes the copy ``tasks_queue_airflow_<job id>.txt`` appear. If S3 refuses it, the header goes back to
   ``planned``, and a later attempt copies again.
3. The plan is removed under its own name.
4. The function of the Scheduler is invoked, if it is named.
5. The header goes to ``delivered``.

A retry that finds the header ``delivering`` reads from S3 how far the earlier attempt has come: the plan, the copy, or
the copy with the lock of the Scheduler that drains it. Only if the answer to the copy was lost, and no function is
named, the outcome stays uncertain.
"""

from __future__ import annotations

import json
import logging
from enum import Enum
from typing import TYPE_CHECKING, Any

from sosw_airflow.exceptions import AwsFault, DeliveryUncertain, JobCancelled, JobRecordDamaged
from sosw_airflow.stores.aws_errors import explained
from sosw_airflow.stores.job_record import Header, JobState
from sosw_airflow.stores.object_copy import ObjectCopy
from sosw_airflow.stores.object_head import ObjectHead, head_object
from sosw_airflow.stores.queue_file import QueueFile, locked_name
from sosw_airflow.stores.s3_url import s3_url

if TYPE_CHECKING:
    from sosw_airflow.scheduling.requests import Request
    from sosw_airflow.scheduling.scheduler import JobScheduler, Scheduled
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["deliver", "delivered_key", "withdraw"]

log = logging.getLogger(__name__)


class _Copy(Enum):
    """The copy of the plan, as S3 has it."""

    MISSING = "missing"
    WAITING = "waiting"  # no Scheduler has taken it
    TAKEN = "taken"  # a Scheduler drains it, or has drained it


def delivered_key(header: Header) -> str:
    """The key of the file for sosw's Scheduler; its lock must not have the name of our plan."""
    folder, slash, _ = header.queue_key.rpartition("/")
    return f"{folder}{slash}tasks_queue_airflow_{header.job_id}.txt"


def deliver(
    scheduler: JobScheduler, request: Request, *, function: str | None = None, aws_lambda: Any = None
) -> Scheduled:
    """Put the job's queue file where sosw's Scheduler takes it, once, or finish what an earlier attempt has begun.

    :param function: name or ARN of sosw's Scheduler, to be invoked with the file; None if another process does that.
    :param aws_lambda: a boto3 Lambda client, if there is a function.
    :raises DeliveryUncertain: the answer to an earlier attempt's copy was lost.
    :raises SoswError: as `JobScheduler.schedule`.
    """
    from sosw_airflow.scheduling.scheduler import Outcome, Scheduled

    header, outcome = scheduler.plan(request)
    if header.state in (JobState.DELIVERED, JobState.WRITTEN):
        return Scheduled(header, Outcome.FOUND)
    copy = _Copy.MISSING
    if header.state is JobState.PLANNED:
        _refuse_written_pages(scheduler, header)
    else:
        copy = _read_copy(scheduler, header)
        if copy is _Copy.MISSING and function is None:
            name = s3_url(header.queue_bucket, delivered_key(header))
            raise DeliveryUncertain(header.job_id, name=name, since=header.updated_at)
    if copy is _Copy.MISSING:
        header, copy = _copy_plan(scheduler, request, header), _Copy.WAITING
    scheduler.planned_file(header).delete()
    if function is not None and copy is _Copy.WAITING:
        _invoke(aws_lambda, function, header)
    header = _move(scheduler, header, JobState.DELIVERED, JobState.DELIVERING)
    log.info("The job %s is delivered: %s.", header.job_id, s3_url(header.queue_bucket, delivered_key(header)))
    return Scheduled(header, outcome)


def withdraw(deployment: Deployment, header: Header) -> bool | None:
    """Remove a delivered file. True: no Scheduler had taken it; False: one had; None: S3 does not say which."""
    key = delivered_key(header)
    head = head_object(deployment.s3, header.queue_bucket, key)
    QueueFile(deployment.s3, header.queue_bucket, key).delete()
    QueueFile(deployment.s3, header.queue_bucket, header.queue_key).delete()
    return head.exists


def _refuse_written_pages(scheduler: JobScheduler, header: Header) -> None:
    if next(iter(scheduler.records.markers(header.job_id)), None) is not None:
        raise JobRecordDamaged(
            f"Some tasks of the job {header.job_id} are in the queue already: its first attempt did not have "
            f"delivery='queue_file'. Fix: give it delivery='tasks' again, or clear the Airflow task to schedule "
            f"it again."
        )


def _move(scheduler: JobScheduler, header: Header, state: JobState, *allowed: JobState) -> Header:
    moved = scheduler.records.change_state(header, state, allowed=(*allowed, state))
    if moved is None:
        withdraw(scheduler.deployment, header)  # the cancelling may have come before the copy
        raise JobCancelled(header.job_id)
    return moved


def _read_copy(scheduler: JobScheduler, header: Header) -> _Copy:
    """How far an earlier attempt has come.

    :raises AccessDenied: S3 denies access to every file, so that none is known to be missing.
    """
    s3, bucket, key = scheduler.deployment.s3, header.queue_bucket, delivered_key(header)
    folder, slash, bare = key.rpartition("/")
    if head_object(s3, bucket, key).exists:
        return _Copy.WAITING
    if head_object(s3, bucket, f"{folder}{slash}{locked_name(bare)}").exists:
        return _Copy.TAKEN
    plan = head_object(s3, bucket, header.queue_key)
    if plan.denied:
        raise plan.denied
    # A plan that can be read shows that the copy was not denied but is missing. The plan is removed after the copy.
    return _Copy.MISSING if plan.exists else _Copy.TAKEN


def _copy_plan(scheduler: JobScheduler, request: Request, header: Header) -> Header:
    """Copy the plan; returns the header, which is ``delivering``.

    :raises SoswError: S3 refuses the copy: the header is ``planned`` again. Or the answer is lost: it is not.
    """
    at, plan = scheduler.deployment, scheduler.planned_file(header)
    head = _plan_head(scheduler, request, header, plan)
    with ObjectCopy(
        at.s3,
        at.s3_once,
        bucket=plan.bucket,
        source=plan.key,
        target=delivered_key(header),
        size=head.size,
        etag=head.etag,
        metadata=plan.metadata,
        check=scheduler.check_stop,
    ) as copy:
        copy.prepare()
        header = _move(scheduler, header, JobState.DELIVERING, JobState.PLANNED)
        try:
            copy.commit()
        except AwsFault:
            if copy.refused:
                _move(scheduler, header, JobState.PLANNED, JobState.DELIVERING)
            raise
    return header


def _plan_head(scheduler: JobScheduler, request: Request, header: Header, plan: QueueFile) -> ObjectHead:
    head = plan.head(header.queue_bytes)
    if not head.exists:
        # Removed, replaced, or denied because it is missing: what was just written is none of these.
        scheduler.restore_plan(request, header)
        head = plan.head(header.queue_bytes)
    if head.denied:
        raise head.denied
    if not head.exists:
        raise JobRecordDamaged(
            f"The queue file {plan} of the job {header.job_id} is removed repeatedly. "
            f"Fix: stop what removes it, then retry the Airflow task."
        )
    return head


def _invoke(aws_lambda: Any, function: str, header: Header) -> None:
    name = delivered_key(header).rpartition("/")[2]
    event = {"file_name": name, "lambda_name": header.labourer_id}
    with explained(action="lambda:InvokeFunction", resource=function):
        aws_lambda.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
