"""Gives a job to sosw's own Scheduler as a queue file, for deployments that keep it as the writer (sosw rule 7).

The plan is written as for any job. Then it is copied, at most once, to a name under which that Scheduler takes it. Each
change of the job's state is a row of `sosw_airflow.jobs.transitions`:

1. *deliver*: the attempt takes a number. Its copy may exist from now on, under a name with that number.
2. One request makes the copy appear. If S3 refuses it: *hand back*, and a later attempt copies again.
3. If a function is named: *invoke*, then it is invoked. If Lambda refuses that: *not invoked*.
4. *hand over*. The plan is removed.

A retry reads from the record how far the earlier attempt has come, and from S3 whether its copy exists or is drained.
If the copy is missing and a function is named, the retry *takes over*: the earlier attempt can no longer invoke the
function. Otherwise a lost answer leaves the delivery uncertain.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.exceptions import (
    AwsFault,
    DeliveryInProgress,
    DeliveryUncertain,
    InvocationUncertain,
    JobCancelled,
    JobRecordDamaged,
)
from sosw_airflow.jobs.transitions import (
    DELIVER,
    HAND_BACK,
    HAND_OVER,
    INVOKE,
    NOT_INVOKED,
    TAKE_OVER,
    JobState,
    Transition,
)
from sosw_airflow.stores.aws_errors import explain_faults, was_refused
from sosw_airflow.stores.job_record import Header
from sosw_airflow.stores.object_copy import ObjectCopy
from sosw_airflow.stores.object_head import ObjectHead, head_object
from sosw_airflow.stores.queue_file import QueueFile
from sosw_airflow.stores.queue_file_keys import copy_key, locked_key
from sosw_airflow.stores.s3_url import s3_url

if TYPE_CHECKING:
    from sosw_airflow.scheduling.requests import Request
    from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["deliver", "delivered_key", "withdraw"]

log = logging.getLogger(__name__)


class _Copy(Enum):
    """The copy of the plan, as S3 has it."""

    MISSING = "missing"
    WAITING = "waiting"  # no Scheduler has taken it
    TAKEN = "taken"  # a Scheduler drains it, or has drained it


def delivered_key(header: Header) -> str:
    """The key of the copy that the last attempt delivers to sosw's Scheduler."""
    return copy_key(header.queue_key, header.job_id, header.attempt)


def deliver(
    scheduler: JobScheduler, request: Request, *, function: str | None = None, aws_lambda: Any = None
) -> ScheduleResult:
    """Put the job's queue file where sosw's Scheduler takes it, once, or finish what an earlier attempt has begun.

    :param function: name or ARN of sosw's Scheduler, to be invoked with the file; None if another process does that.
    :param aws_lambda: a boto3 Lambda client that does not repeat requests, if there is a function.
    :raises DeliveryUncertain: the answer to an earlier attempt's copy was lost.
    :raises InvocationUncertain: the answer to an earlier attempt's invocation was lost.
    :raises DeliveryInProgress: another attempt has taken over.
    :raises SoswError: as `JobScheduler.schedule`.
    """
    from sosw_airflow.scheduling.scheduler import Outcome, ScheduleResult

    header, outcome = scheduler.plan(request)
    if header.state is JobState.PLANNED:
        _refuse_rows(scheduler, header)
        header = _begin(scheduler, request, header)
    if header.state is JobState.WRITING:
        raise _has_rows(header)
    if header.state in (JobState.DELIVERED, JobState.WRITTEN):
        scheduler.plans.of(header).delete()
        return ScheduleResult(header, Outcome.FOUND)
    if header.state is JobState.DELIVERING:
        header = _see_to_copy(scheduler, request, header, has_function=function is not None)
    if header.state is JobState.INVOKING and _read_copy(scheduler, header) is _Copy.WAITING:
        raise InvocationUncertain(header.job_id, name=s3_url(header.queue_bucket, delivered_key(header)))
    if function is not None and header.state is JobState.DELIVERING and _read_copy(scheduler, header) is _Copy.WAITING:
        header = _invoke(scheduler, header, function, aws_lambda)
    header = _change(scheduler, HAND_OVER, header)
    scheduler.plans.of(header).delete()
    log.info("The job %s is delivered: %s.", header.job_id, s3_url(header.queue_bucket, delivered_key(header)))
    return ScheduleResult(header, outcome)


def withdraw(deployment: Deployment, header: Header) -> bool | None:
    """Remove the plan and the delivered file of a cancelled job.

    True: no Scheduler had taken the file. False: one had. None: S3 does not say which.
    """
    bucket, key = header.queue_bucket, delivered_key(header)
    # First the plan: without it no attempt that still lives can copy it.
    plan = head_object(deployment.s3, bucket, header.queue_key)
    QueueFile(deployment.s3, bucket, header.queue_key).delete()
    waits = head_object(deployment.s3, bucket, key)
    QueueFile(deployment.s3, bucket, key).delete()
    if head_object(deployment.s3, bucket, locked_key(key)).exists:
        return False
    if waits.exists or waits.exists is None:
        return waits.exists
    # The plan is removed once the copy is known to exist. Before, a copy that is missing may be drained or never made.
    return None if plan.exists is not False else False


def _refuse_rows(scheduler: JobScheduler, header: Header) -> None:
    """Version 0.1 commits the pages of a job that is planned. A cancelling may have closed them since."""
    if not all(marker.cancelled for marker in scheduler.records.markers(header.job_id)):
        raise _has_rows(header)


def _has_rows(header: Header) -> JobRecordDamaged:
    return JobRecordDamaged(
        f"The job {header.job_id} is written as rows already: its first attempt did not have delivery='queue_file'. "
        f"Fix: give it delivery='tasks' again, or clear the Airflow task to schedule it again."
    )


def _change(scheduler: JobScheduler, transition: Transition, header: Header) -> Header:
    """Change the job's state.

    :raises JobCancelled: it was cancelled meanwhile.
    :raises DeliveryInProgress: another attempt has taken over.
    """
    change = scheduler.records.change(transition, header.job_id, attempt=header.attempt)
    if change.after is not None:
        return change.after
    if change.before is None or change.before.state is JobState.CANCELLED:
        withdraw(scheduler.deployment, header)  # the cancelling may have come before the copy
        raise JobCancelled(header.job_id)
    if change.before.attempt != header.attempt:
        # The attempt that took over has a copy of its own; this one may have been made since.
        QueueFile(scheduler.deployment.s3, header.queue_bucket, delivered_key(header)).delete()
    raise DeliveryInProgress(header.job_id)


def _read_copy(scheduler: JobScheduler, header: Header) -> _Copy:
    """Whether the copy exists, or is drained.

    :raises AccessDenied: S3 denies access to every file, so that none is known to be missing.
    """
    s3, bucket, key = scheduler.deployment.s3, header.queue_bucket, delivered_key(header)
    head = head_object(s3, bucket, key)
    if head.exists:
        return _Copy.WAITING
    if head_object(s3, bucket, locked_key(key)).exists:
        return _Copy.TAKEN
    # A plan that can be read shows that the copy was not denied but is missing.
    plan = head_object(s3, bucket, header.queue_key) if head.denied else None
    if plan is not None and plan.denied:
        raise plan.denied
    return _Copy.MISSING


def _begin(scheduler: JobScheduler, request: Request, header: Header) -> Header:
    """Copy the plan of a job that is only planned. Returns the header, also if another attempt was faster."""
    with _copy_of(scheduler, request, header, target=replace(header, attempt=header.attempt + 1)) as copy:
        copy.prepare()
        change = scheduler.records.change(DELIVER, header.job_id, attempt=header.attempt)
        if change.after is None:
            header = change.before or header
            if change.before is None or header.state is JobState.CANCELLED:
                withdraw(scheduler.deployment, header)  # the plan may have been written again since
                raise JobCancelled(header.job_id)
            return header
        _commit(scheduler, copy, change.after)
    return change.after


def _see_to_copy(scheduler: JobScheduler, request: Request, header: Header, *, has_function: bool) -> Header:
    """Make sure that the copy of an earlier attempt was made.

    :raises DeliveryUncertain: it is missing: it was never made, or it is drained.
    """
    if _read_copy(scheduler, header) is not _Copy.MISSING:
        return header
    if not has_function:
        name = s3_url(header.queue_bucket, delivered_key(header))
        raise DeliveryUncertain(header.job_id, name=name, since=header.updated_at)
    header = _change(scheduler, TAKE_OVER, header)
    with _copy_of(scheduler, request, header, target=header) as copy:
        copy.prepare()
        _commit(scheduler, copy, header)
    return header


def _copy_of(scheduler: JobScheduler, request: Request, header: Header, *, target: Header) -> ObjectCopy:
    at, plan = scheduler.deployment, scheduler.plans.of(header)
    head = _plan_head(scheduler, request, header, plan)
    return ObjectCopy(
        at.s3,
        at.s3_once,
        bucket=plan.bucket,
        source=plan.key,
        target=delivered_key(target),
        size=head.size,
        etag=head.etag,
        metadata=plan.metadata,
        check=scheduler.check_stop,
    )


def _commit(scheduler: JobScheduler, copy: ObjectCopy, header: Header) -> None:
    """Make the copy appear.

    :raises SoswError: S3 refuses the copy: the header is ``planned`` again. Or the answer is lost: it is not.
    """
    try:
        copy.commit()
    except AwsFault:
        if copy.refused:
            _change(scheduler, HAND_BACK, header)
        raise


def _plan_head(scheduler: JobScheduler, request: Request, header: Header, plan: QueueFile) -> ObjectHead:
    head = plan.head(header.queue_bytes)
    if not head.exists:
        # Removed, replaced, or denied because it is missing: what was just written is none of these.
        scheduler.plans.restore(request, header)
        head = plan.head(header.queue_bytes)
    if head.denied:
        raise head.denied
    if not head.exists:
        raise JobRecordDamaged(
            f"The queue file {plan} of the job {header.job_id} is removed repeatedly. "
            f"Fix: stop what removes it, then retry the Airflow task."
        )
    return head


def _invoke(scheduler: JobScheduler, header: Header, function: str, aws_lambda: Any) -> Header:
    """Invoke the function with the file, at most once for each file.

    :raises SoswError: Lambda refuses: a later attempt invokes it. Or the answer is lost: none does.
    """
    header = _change(scheduler, INVOKE, header)
    name = delivered_key(header).rpartition("/")[2]
    event = {"file_name": name, "lambda_name": header.labourer_id}
    with explain_faults(action="lambda:InvokeFunction", resource=function):
        try:
            aws_lambda.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
        except (ClientError, BotoCoreError) as error:
            if was_refused(error):
                _change(scheduler, NOT_INVOKED, header)
            raise
    return header
