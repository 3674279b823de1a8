"""What is left in the bucket of queue files: plans, claimed files, copies without a taker, unfinished uploads.

A command that removes a file is given only if no attempt, alive or retried, needs it, and if its tasks are in the queue
or must not come there any more. That stays so: a later attempt at the same job uses another key, or writes it again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from sosw_airflow.doctor.findings import Finding, warning
from sosw_airflow.doctor.orphans import SHOWN, UNFINISHED, age, more
from sosw_airflow.jobs.transitions import IN_DELIVERY, JobState
from sosw_airflow.stores.aws_errors import explain_faults
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.object_head import head_object
from sosw_airflow.stores.queue_file_keys import (
    CLAIMED_BY,
    copies_prefix,
    copy_of,
    plan_of,
    queue_file_prefix,
    unlocked_key,
)
from sosw_airflow.stores.s3_url import s3_url

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["find_copies", "find_queue_files", "find_uploads"]

#: Seconds after which an upload or a queue file belongs to no job that runs.
FILE_SECONDS = 24 * 3600

#: Copies whose jobs are read: a person waits at a terminal.
_MOST_COPIES = 200

Listed = dict[str, Any]


def find_queue_files(deployment: Deployment) -> Iterator[Finding]:
    """Locked queue files whose writer is gone."""
    old = _old_files(deployment, queue_file_prefix(deployment.s3_prefix))
    for each in old[:SHOWN]:
        job_id = plan_of(each["Key"])
        yield _locked(deployment, each) if job_id is None else _plan(deployment, each, job_id)
    yield from more("queue_file", deployment.queue_bucket, len(old), "locked queue files are left")


def _plan(deployment: Deployment, each: Listed, job_id: str) -> Finding:
    header = _header(deployment, job_id)
    if header is not None and header.state in UNFINISHED and header.queue_key == each["Key"]:
        text = f"is the plan of the job {job_id}, which is not written since {_age(deployment, each)}."
        fix = f"Retry or clear the Airflow task {header.task_id} of the DAG {header.dag_id}; do not delete the file."
        return warning("queue_file", _url(deployment, each), text, fix)
    return _remove(deployment, each, f"is a plan that no job needs any more, since {_age(deployment, each)}.")


def _locked(deployment: Deployment, each: Listed) -> Finding:
    """A file of a Scheduler of sosw, or one that a job of ours drains."""
    url, since = _url(deployment, each), _age(deployment, each)
    job_id = head_object(deployment.s3, deployment.queue_bucket, each["Key"]).metadata.get(CLAIMED_BY)
    if job_id is None:
        text = f"is locked since {since}, by a Scheduler of sosw that is gone."
        fix = "Part of its tasks may be in the queue already. Compare them with sosw_tasks before you schedule it."
        return warning("queue_file", url, text, fix)
    header = _header(deployment, job_id)
    if header is not None and header.state is JobState.WRITTEN:
        return _remove(deployment, each, f"was drained by the job {job_id}: all of its tasks are in the queue.")
    if header is not None and header.state is JobState.CANCELLED:
        return _unlock(deployment, each, f"was to be drained by the job {job_id}, which was cancelled.")
    file = s3_url(deployment.queue_bucket, unlocked_key(each["Key"]))
    command = shlex.join(["sosw-airflow", "drain", file, "--take-locked"]) if header is None else ""
    text = f"is claimed by the job {job_id} since {since}, and is not drained."
    fix = f"Retry or clear the Airflow task that drains it{'; or drain it from here' if command else ''}."
    return warning("queue_file", url, text, fix, command)


def _unlock(deployment: Deployment, each: Listed, text: str) -> Finding:
    """Give a user's file its name back, unless another one has that name by now."""
    url, unlocked = _url(deployment, each), unlocked_key(each["Key"])
    if head_object(deployment.s3, deployment.queue_bucket, unlocked).exists:
        fix = "Another file has its name now. Keep it under a third one, or delete it if you do not need its tasks."
        return warning("queue_file", url, text, fix)
    command = shlex.join(["aws", "s3", "mv", url, s3_url(deployment.queue_bucket, unlocked)])
    return warning("queue_file", url, text, f"To give it its name back, run: {command}", command)


def find_copies(deployment: Deployment) -> Iterator[Finding]:
    """Copies for a Scheduler of sosw: those that it must not take any more, and those that it does not take."""
    old = _old_files(deployment, copies_prefix(deployment.s3_prefix))
    found = []
    for each in old[:_MOST_COPIES]:
        finding = _copy(deployment, each)
        found += [finding] if finding else []
    yield from found[:SHOWN]
    if found:
        yield from more("copy", deployment.queue_bucket, len(found), "delivered queue files are left")


def _copy(deployment: Deployment, each: Listed) -> Finding | None:
    parts = copy_of(each["Key"])
    if parts is None:
        return None  # a file of another program, which has this name
    job_id, number = parts
    since, header = _age(deployment, each), _header(deployment, job_id)
    if header is None:
        text = f"is not taken by sosw's Scheduler since {since}, and its job {job_id} has no record any more."
        fix = "Drain it if you need its tasks, or delete it."
        return warning("copy", _url(deployment, each), text, fix)
    if header.state is JobState.CANCELLED:
        return _remove(deployment, each, f"is a late copy of the job {job_id}, which is cancelled.", "copy")
    # A change to delivering takes a number that no attempt had. So one that is passed, or handed back, never returns.
    if number < header.attempt or (number == header.attempt and header.state not in IN_DELIVERY):
        text = f"is a late copy of the job {job_id}, whose tasks come into the queue in another way."
        return _remove(deployment, each, text, "copy")
    if header.state is not JobState.DELIVERED:
        return None  # the job is unfinished, and found as such
    text = f"was delivered {since} ago, and no Scheduler of sosw has taken it."
    fix = f"Invoke sosw's Scheduler with it; or take it back: sosw-airflow cancel {job_id}"
    return warning("copy", _url(deployment, each), text, fix)


def find_uploads(deployment: Deployment) -> Iterator[Finding]:
    """Uploads that were begun and never ended: invisible, but stored, and paid for."""
    bucket, now = deployment.queue_bucket, deployment.now()
    prefix = f"{deployment.s3_prefix.strip('/')}/".lstrip("/")
    old = [
        each
        for each in _pages(deployment, "list_multipart_uploads", "Uploads", prefix)
        if now - each["Initiated"].timestamp() > FILE_SECONDS
    ]
    for each in old[:SHOWN]:
        names = ["--bucket", bucket, "--key", each["Key"], "--upload-id", each["UploadId"]]
        command = shlex.join(["aws", "s3api", "abort-multipart-upload", *names])
        fix = f"Run: {command}; or give the bucket a lifecycle rule (the template of docs/guides/tables.md has one)."
        text = f"an upload was begun {age(now - each['Initiated'].timestamp())} ago and never ended."
        yield warning("upload", _url(deployment, each), text, fix, command)
    yield from more("upload", bucket, len(old), "unfinished uploads are left")


def _remove(deployment: Deployment, each: Listed, text: str, check: str = "queue_file") -> Finding:
    url = _url(deployment, each)
    command = shlex.join(["aws", "s3", "rm", url])
    return warning(check, url, text, f"Run: {command}", command)


def _header(deployment: Deployment, job_id: str) -> Header | None:
    return JobRecords(deployment.dynamodb, deployment.tables.jobs_table, now=deployment.now).header(job_id)


def _url(deployment: Deployment, each: Listed) -> str:
    return s3_url(deployment.queue_bucket, each["Key"])


def _age(deployment: Deployment, each: Listed) -> str:
    return age(deployment.now() - each["LastModified"].timestamp())


def _old_files(deployment: Deployment, prefix: str) -> list[Listed]:
    now = deployment.now()
    listed = _pages(deployment, "list_objects_v2", "Contents", prefix)
    return [each for each in listed if now - each["LastModified"].timestamp() > FILE_SECONDS]


def _pages(deployment: Deployment, operation: str, member: str, prefix: str) -> Iterable[Listed]:
    action = "s3:ListBucket" if operation == "list_objects_v2" else "s3:ListBucketMultipartUploads"
    with explain_faults(action=action, resource=deployment.queue_bucket, setting="queue_bucket", bucket=True):
        pages = deployment.s3.get_paginator(operation).paginate(Bucket=deployment.queue_bucket, Prefix=prefix)
        return [each for page in islice(pages, 10) for each in page.get(member, ())]
