"""Gives a job to sosw's own Scheduler as a queue file, for deployments that keep it as the writer (sosw rule 7).

The plan is written as for any job. Then it is copied to a name under which that Scheduler takes it, at most once:

1. The header goes to ``delivering``.
2. The plan is copied to ``tasks_queue_airflow_<job id>.txt`` and removed under its own name.
3. The Scheduler's function is invoked, if it is named.
4. The header goes to ``delivered``.

A retry finds out how far an earlier attempt has come by what is there: the plan, the delivered file, or the same with
the lock of the Scheduler that drains it.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import DeliveryUncertain, JobCancelled, JobRecordDamaged
from sosw_airflow.stores.aws_errors import error_code, explained
from sosw_airflow.stores.job_record import Header, JobState
from sosw_airflow.stores.queue_file import QueueFile, locked_name

if TYPE_CHECKING:
    from sosw_airflow.scheduling.requests import Request
    from sosw_airflow.scheduling.scheduler import JobScheduler, Scheduled
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["deliver", "delivered_key", "withdraw"]

log = logging.getLogger(__name__)


def delivered_key(header: Header) -> str:
    """The key of the file for sosw's Scheduler; its lock must not have the name of our plan."""
    folder, slash, _ = header.queue_key.rpartition("/")
    return f"{folder}{slash}tasks_queue_airflow_{header.job_id}.txt"


def deliver(
    scheduler: JobScheduler, request: Request, *, function: str | None = None, aws_lambda: Any = None
) -> Scheduled:
    """Put the job's queue file where sosw's Scheduler takes it, once, or finish what an earlier attempt has begun.

    :param function: name or ARN of sosw's Scheduler, to be invoked with the file; None where something else does that.
    :param aws_lambda: a boto3 Lambda client, where there is a function.
    :raises DeliveryUncertain: whether an earlier attempt has delivered it cannot be known.
    :raises SoswError: as `JobScheduler.schedule`.
    """
    from sosw_airflow.scheduling.scheduler import Outcome, Scheduled

    header, outcome = scheduler.plan(request)
    if header.state in (JobState.DELIVERED, JobState.WRITTEN):
        return Scheduled(header, Outcome.FOUND)
    first = header.state is JobState.PLANNED
    if first:
        if next(iter(scheduler.records.markers(header.job_id)), None) is not None:
            raise JobRecordDamaged(
                f"Some tasks of the job {header.job_id} are in the queue already: its first attempt did not have "
                f"delivery='queue_file'. Fix: give it delivery='tasks' again, or clear the Airflow task to schedule it "
                f"again."
            )
        header = _move(scheduler, header, JobState.DELIVERING, JobState.PLANNED)
    _copy(scheduler.deployment, header, certain=first or function is not None)
    if function is not None and _exists(scheduler.deployment, header.queue_bucket, delivered_key(header)):
        _invoke(aws_lambda, function, header)
    header = _move(scheduler, header, JobState.DELIVERED, JobState.DELIVERING)
    log.info("The job %s is delivered: s3://%s/%s.", header.job_id, header.queue_bucket, delivered_key(header))
    return Scheduled(header, outcome)


def withdraw(deployment: Deployment, header: Header) -> bool:
    """Remove a delivered file that nobody has taken yet. False: somebody has."""
    key = delivered_key(header)
    was_there = _exists(deployment, header.queue_bucket, key)
    QueueFile(deployment.s3, header.queue_bucket, key).delete()
    QueueFile(deployment.s3, header.queue_bucket, header.queue_key).delete()
    return was_there


def _move(scheduler: JobScheduler, header: Header, state: JobState, *allowed: JobState) -> Header:
    moved = scheduler.records.change_state(header, state, allowed=(*allowed, state))
    if moved is None:
        raise JobCancelled(header.job_id)
    return moved


def _copy(deployment: Deployment, header: Header, *, certain: bool) -> None:
    """Copy the plan, unless the copy is there or was taken.

    :param certain: nobody can have taken the copy and drained it to its end, so that a plan without a copy was not
        copied yet.
    """
    bucket, key = header.queue_bucket, delivered_key(header)
    folder, slash, bare = key.rpartition("/")
    plan = QueueFile(deployment.s3, bucket, header.queue_key)
    taken = any(_exists(deployment, bucket, each) for each in (key, f"{folder}{slash}{locked_name(bare)}"))
    if not taken and _exists(deployment, bucket, header.queue_key):
        if not certain:
            raise DeliveryUncertain(header.job_id, name=f"s3://{bucket}/{key}")
        with explained(action="s3:PutObject", resource=bucket, setting="queue_bucket", bucket=True):
            deployment.s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": header.queue_key})
    plan.delete()


def _invoke(aws_lambda: Any, function: str, header: Header) -> None:
    name = delivered_key(header).rpartition("/")[2]
    event = {"file_name": name, "lambda_name": header.labourer_id}
    with explained(action="lambda:InvokeFunction", resource=function):
        aws_lambda.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())


def _exists(deployment: Deployment, bucket: str, key: str) -> bool:
    with explained(action="s3:GetObject", resource=bucket, setting="queue_bucket", bucket=True):
        try:
            deployment.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
    return True
