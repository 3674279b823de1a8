"""What a process that died leaves behind: planned jobs, old tasks, queue files, uploads."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from sosw_airflow.doctor.findings import Finding, ok, warning
from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.stores.aws_errors import explain_faults, member
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.paged_reads import items_of
from sosw_airflow.stores.queue_file import locked_name

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["check_queue", "find_planned_jobs", "find_queue_files", "find_uploads", "job_headers"]

#: Seconds after which a job that is still only planned has no writer any more: an attempt gives up after 5 minutes
#: without progress, and then Airflow waits for its retry.
PLANNED_SECONDS = 3600

#: States that an attempt leaves, unless it has died.
_UNFINISHED = frozenset(JobState) - {JobState.WRITTEN, JobState.DELIVERED, JobState.CANCELLED}

#: Seconds that a task may wait before it is worth a word.
WAITING_SECONDS = 24 * 3600

#: Seconds after which an upload or a queue file belongs to no job that runs.
FILE_SECONDS = 24 * 3600

#: Seconds that a page of job records may take: a person waits at a terminal.
_PATIENCE = 30.0

_SHOWN = 5
_OURS = re.compile(r"locked_tasks_queue_([0-9a-f]{20})(?:_[0-9a-f]{8})?\.txt")


def job_headers(deployment: Deployment, *, most_pages: int = 200) -> Iterator[Header]:
    """The headers of all jobs, in no order. Reads the jobs table up to so many pages of 1 MB."""
    table = deployment.tables.jobs_table
    scan: dict[str, Any] = {
        "TableName": table,
        "FilterExpression": "#record = :header",
        "ExpressionAttributeNames": {"#record": "record"},
        "ExpressionAttributeValues": {":header": {"S": "header"}},
    }
    items = items_of(
        deployment.dynamodb.scan,
        scan,
        action="dynamodb:Scan",
        setting="jobs_table",
        most_pages=most_pages,
        backoff=partial(Backoff, patience=_PATIENCE),
    )
    yield from map(Header.of, items)


def find_planned_jobs(deployment: Deployment) -> Iterator[Finding]:
    """Jobs whose plan is complete but whose tasks were never all written."""
    table, now = deployment.tables.jobs_table, deployment.now()
    old = [
        header
        for header in job_headers(deployment)
        if header.state in _UNFINISHED and now - header.updated_at > PLANNED_SECONDS
    ]
    for header in sorted(old, key=lambda each: each.updated_at)[:_SHOWN]:
        where = f"Airflow task {header.task_id} of the DAG {header.dag_id}, run {header.run_id}"
        fix = f"Retry or clear the {where}, which resumes it; or cancel the job."
        yield warning(
            "planned", f"job {header.job_id}", f"is {header.state.value} since {_ago(now - header.updated_at)}.", fix
        )
    yield from _more("planned", table, len(old), "jobs are planned for long and not written")


def check_queue(deployment: Deployment, labourer_id: str) -> Iterator[Finding]:
    """Tasks of a labourer that no orchestrator invokes, or that none takes back after their time."""
    now = int(deployment.now())
    subject = f"queue of {labourer_id}"
    waiting = _first(deployment, labourer_id, "greenfield <= :to", {":to": {"N": str(now)}})
    waits = now - float(waiting["created_at"]["N"]) if waiting else 0
    if waiting and waits > WAITING_SECONDS:
        fix = "Check whether an orchestrator of Airflow or sosw's runs, knows this labourer, and invokes enough."
        text = f"its first task, {waiting['task_id']['S']} of {_job(waiting)}, waits since {_ago(waits)}."
        yield warning("waiting", subject, text, fix)
    overdue = _first(
        deployment,
        labourer_id,
        "greenfield BETWEEN :from AND :to",
        {":from": {"N": str(now + 1)}, ":to": {"N": str(now + INVOCATION_DELTA - WAITING_SECONDS)}},
    )
    if overdue:
        fix = "Check whether an orchestrator of Airflow or sosw's Scavenger runs: it retries or closes such tasks."
        text = f"the task {overdue['task_id']['S']} of {_job(overdue)} has run out of time a day ago or more."
        yield warning("overdue", subject, text, fix)
    if not (overdue or waits > WAITING_SECONDS):
        yield ok("queue", subject, "nothing is stuck.")


def _first(deployment: Deployment, labourer_id: str, condition: str, values: dict[str, Any]) -> dict[str, Any] | None:
    tables = deployment.tables
    with explain_faults(action="dynamodb:Query", resource=f"{tables.tasks_table}/index/{tables.index_greenfield}"):
        reply = deployment.dynamodb.query(
            TableName=tables.tasks_table,
            IndexName=tables.index_greenfield,
            KeyConditionExpression=f"labourer_id = :labourer AND {condition}",
            ExpressionAttributeValues={":labourer": {"S": labourer_id}, **values},
            ProjectionExpression="task_id, created_at",
            Limit=1,
        )
    items = member(reply, "Items", action="dynamodb:Query")
    return dict(items[0]) if items and "N" in items[0].get("created_at", {}) else None


def _job(row: dict[str, Any]) -> str:
    return f"job {job_of(row['task_id']['S'])}"


def find_queue_files(deployment: Deployment) -> Iterator[Finding]:
    """Locked queue files whose writer is gone."""
    bucket, now = deployment.queue_bucket, deployment.now()
    prefix = "/".join(part for part in (deployment.s3_prefix.strip("/"), locked_name("")) if part)
    records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table, now=deployment.now)
    old = [
        each
        for each in _pages(deployment, "list_objects_v2", "Contents", prefix)
        if now - each["LastModified"].timestamp() > FILE_SECONDS
    ]
    for each in old[:_SHOWN]:
        key = each["Key"]
        ours = _OURS.fullmatch(key.rpartition("/")[2])
        header = records.header(ours[1]) if ours else None
        age, command = _ago(now - each["LastModified"].timestamp()), ""
        if ours is None:
            text = f"is locked since {age}, by a Scheduler of sosw that is gone."
            fix = "Part of its tasks may be in the queue already. Compare them with sosw_tasks before you schedule it."
        elif header is not None and header.state in _UNFINISHED and header.queue_key == key:
            text = f"is the plan of the job {ours[1]}, which is not written since {age}."
            fix = (
                f"Retry or clear the Airflow task {header.task_id} of the DAG {header.dag_id}; do not delete the file."
            )
        else:
            text = f"is a plan that no job needs any more, since {age}."
            command = shlex.join(["aws", "s3", "rm", f"s3://{bucket}/{key}"])
            fix = f"Run: {command}"
        yield warning("queue_file", f"s3://{bucket}/{key}", text, fix, command)
    yield from _more("queue_file", bucket, len(old), "locked queue files are left")


def find_uploads(deployment: Deployment) -> Iterator[Finding]:
    """Uploads that were begun and never ended: invisible, but stored, and paid for."""
    bucket, now = deployment.queue_bucket, deployment.now()
    prefix = f"{deployment.s3_prefix.strip('/')}/".lstrip("/")
    old = [
        each
        for each in _pages(deployment, "list_multipart_uploads", "Uploads", prefix)
        if now - each["Initiated"].timestamp() > FILE_SECONDS
    ]
    for each in old[:_SHOWN]:
        names = ["--bucket", bucket, "--key", each["Key"], "--upload-id", each["UploadId"]]
        command = shlex.join(["aws", "s3api", "abort-multipart-upload", *names])
        fix = f"Run: {command}; or give the bucket a lifecycle rule (the template of docs/guides/tables.md has one)."
        age = _ago(now - each["Initiated"].timestamp())
        text = f"an upload was begun {age} ago and never ended."
        yield warning("upload", f"s3://{bucket}/{each['Key']}", text, fix, command)
    yield from _more("upload", bucket, len(old), "unfinished uploads are left")


def _pages(deployment: Deployment, operation: str, member: str, prefix: str) -> Iterable[dict[str, Any]]:
    action = "s3:ListBucket" if operation == "list_objects_v2" else "s3:ListBucketMultipartUploads"
    with explain_faults(action=action, resource=deployment.queue_bucket, setting="queue_bucket", bucket=True):
        pages = deployment.s3.get_paginator(operation).paginate(Bucket=deployment.queue_bucket, Prefix=prefix)
        return [each for page in islice(pages, 10) for each in page.get(member, ())]


def _more(check: str, subject: str, number: int, what: str) -> Iterator[Finding]:
    if not number:
        yield ok(check, subject, f"no {what.replace('are ', '')}.")
    elif number > _SHOWN:
        yield warning(check, subject, f"{number} {what}, of which {_SHOWN} are shown.", "Fix those first.")


def _ago(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
