"""The clean-up of docs/guides/exactly-once.md: the commands that doctor gives, carried out; and what is left then.

What is left is judged by the stored things alone, not by doctor.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from sosw_airflow.doctor.findings import Finding
from sosw_airflow.doctor.left_files import find_copies, find_queue_files, find_uploads
from sosw_airflow.doctor.orphans import find_unfinished_jobs
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.s3_url import split_s3_url
from tests.support.deterministic_aws.aws import DeterministicAws

__all__ = ["TWO_DAYS", "carry_out", "examine", "things_left"]

#: Seconds after which every attempt is over.
TWO_DAYS = 172_800.0

#: Headers of jobs by their ids, as they are stored.
Headers = dict[str, dict[str, Any]]

_COPY = re.compile(r"tasks_queue_airflow_([0-9a-f]{20})(?:_(\d+))?\.txt")
_OVER = ("written", "delivered", "cancelled")


def examine(at: Deployment) -> Iterator[Finding]:
    """What doctor finds that an attempt has left."""
    yield from find_unfinished_jobs(at)
    yield from find_queue_files(at)
    yield from find_copies(at)
    yield from find_uploads(at)


def carry_out(at: Deployment, command: str, *, cancel: Callable[[str], Any], drain: Callable[[str], Any]) -> None:
    """Do what a command does, to the letter.

    :param cancel: cancels a job.  :param drain: drains a file, also a locked one.
    :raises ValueError: it is none of those that are known here.
    """
    words = shlex.split(command)
    options = dict(zip(words[3::2], words[4::2], strict=False))
    if words[:3] == ["aws", "s3", "rm"] and len(words) == 4:
        bucket, key = split_s3_url(words[3])
        at.s3.delete_object(Bucket=bucket, Key=key)
    elif words[:3] == ["aws", "s3", "mv"] and len(words) == 5:
        (bucket, key), (target, name) = map(split_s3_url, words[3:])
        at.s3.copy_object(Bucket=target, Key=name, CopySource={"Bucket": bucket, "Key": key})
        at.s3.delete_object(Bucket=bucket, Key=key)
    elif words[:3] == ["aws", "s3api", "abort-multipart-upload"]:
        names = {"Bucket": "--bucket", "Key": "--key", "UploadId": "--upload-id"}
        at.s3.abort_multipart_upload(**{name: options[option] for name, option in names.items()})
    elif words[:3] == ["aws", "dynamodb", "delete-item"]:
        at.dynamodb.delete_item(TableName=options["--table-name"], Key=json.loads(options["--key"]))
    elif words[:2] == ["sosw-airflow", "cancel"] and len(words) == 3:
        cancel(words[2])
    elif words[:2] == ["sosw-airflow", "drain"] and words[3:] == ["--take-locked"]:
        drain(words[2])
    else:
        raise ValueError(f"no such command is known here: {command}")


def things_left(aws: DeterministicAws) -> Iterator[str]:
    """Rows, objects, uploads, locks and claims that no process needs, and none will remove."""
    items = aws.rows("sosw_jobs")
    headers = {item["job_id"]["S"]: item for item in items if item["record"] == {"S": "header"}}
    yield from _jobs(headers)
    yield from _claims(headers, [item for item in items if item["record"] == {"S": "claim"}])
    yield from _tasks(headers, aws)
    yield from _objects(headers, aws)


def _jobs(headers: Headers) -> Iterator[str]:
    for job_id, header in headers.items():
        if header["state"]["S"] not in _OVER:
            yield f"the job {job_id} is {header['state']['S']} for ever"
        elif header["state"] == {"S": "cancelled"} and "cancel_ended" not in header:
            yield f"the cancelling of the job {job_id} has not ended"


def _claims(headers: Headers, claims: list[dict[str, Any]]) -> Iterator[str]:
    for claim in claims:
        owner = headers.get(claim["claimed_by"]["S"], {"state": {"S": ""}})
        if claim["claimed_by"]["S"] and owner["state"]["S"] not in ("written", "cancelled"):
            yield f"the file {claim['file']['S']} is claimed for ever"


def _tasks(headers: Headers, aws: DeterministicAws) -> Iterator[str]:
    for table in ("sosw_tasks", "other_tasks"):
        for row in aws.rows(table):
            job = headers.get(job_of(row["task_id"]["S"]), {})
            # One that an orchestrator has given back is closed as failed at its labourer's next turn.
            waits = row.get("attempts") == {"N": "0"} and "given_back" not in row
            if job.get("state") == {"S": "cancelled"} and waits:
                yield f"the task {row['task_id']['S']} of a cancelled job waits in {table}"


def _objects(headers: Headers, aws: DeterministicAws) -> Iterator[str]:
    for upload in aws.s3.uploads.values():
        yield f"an upload of {upload.key} was begun and never ended"
    for name in (key.rpartition("/")[2] for objects in aws.s3.buckets.values() for key in objects):
        copy = _COPY.fullmatch(name)
        if name.startswith("locked_"):
            yield f"{name} is locked for ever"
        elif copy and not _waits(headers.get(copy[1], {}), int(copy[2] or 1)):
            yield f"the copy {name} is of a job that is not delivered with it"


def _waits(header: dict[str, Any], number: int) -> bool:
    """sosw's Scheduler may take the copy of this number."""
    return header.get("state") == {"S": "delivered"} and int(header.get("attempt", {"N": "1"})["N"]) == number
