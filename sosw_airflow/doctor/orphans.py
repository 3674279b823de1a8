"""What a process that died leaves behind in the tables: unfinished jobs, cancellings and drains, tasks that stay."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sosw_airflow.doctor.findings import Finding, error, ok, warning
from sosw_airflow.exceptions import JobRecordDamaged
from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.stores.aws_errors import explain_faults, member
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.job_record import RECORD_SECONDS, Header, JobRecords
from sosw_airflow.stores.object_head import head_object
from sosw_airflow.stores.paged_reads import items_of
from sosw_airflow.stores.queue_file_keys import locked_key
from sosw_airflow.stores.s3_url import split_s3_url

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["UNFINISHED", "age", "check_queue", "find_unfinished_jobs", "job_headers", "more"]

#: Seconds after which a job that is still only planned has no writer any more: an attempt gives up after 5 minutes
#: without progress, and then Airflow waits for its retry.
PLANNED_SECONDS = 3600

#: States that an attempt leaves, unless it has died.
UNFINISHED = frozenset(JobState) - {JobState.WRITTEN, JobState.DELIVERED, JobState.CANCELLED}

#: Seconds that a task may wait before it is worth a word.
WAITING_SECONDS = 24 * 3600

#: Seconds that a page of job records may take: a person waits at a terminal.
_PATIENCE = 30.0

#: Findings of one kind that are spelled out.
SHOWN = 5


def job_headers(deployment: Deployment, *, damaged: list[JobRecordDamaged], most_pages: int = 200) -> Iterator[Header]:
    """The headers of all jobs, in no order. Reads the jobs table up to so many pages of 1 MB.

    :param damaged: gets the error of each header that cannot be read.
    """
    yield from _readable(_records(deployment, "header", most_pages=most_pages), damaged)


def _readable(items: Iterable[dict[str, Any]], damaged: list[JobRecordDamaged]) -> Iterator[Header]:
    for item in items:
        try:
            yield Header.of(item)
        except JobRecordDamaged as found:  # noqa: PERF203 - each record has its own
            damaged.append(found)


def _records(deployment: Deployment, *kinds: str, most_pages: int = 200) -> Iterator[dict[str, Any]]:
    values = {f":kind{number}": {"S": kind} for number, kind in enumerate(kinds)}
    scan: dict[str, Any] = {
        "TableName": deployment.tables.jobs_table,
        "FilterExpression": f"#record IN ({', '.join(values)})",
        "ExpressionAttributeNames": {"#record": "record"},
        "ExpressionAttributeValues": values,
    }
    yield from items_of(
        deployment.dynamodb.scan,
        scan,
        action="dynamodb:Scan",
        setting="jobs_table",
        most_pages=most_pages,
        backoff=partial(Backoff, patience=_PATIENCE),
    )


def _headers_beside(claims: list[dict[str, Any]], deployment: Deployment, now: float) -> Iterator[dict[str, Any]]:
    """The items of all headers; the old claims of drains are added to the list."""
    for item in _records(deployment, "header", "claim"):
        if item["record"] != {"S": "claim"}:
            yield item
        elif _is_old_claim(item, now):
            claims.append(item)


def _unreadable(table: str, damaged: list[JobRecordDamaged]) -> Iterator[Finding]:
    for fault in damaged[:SHOWN]:
        yield error("planned", table, str(fault), "")
    if damaged:
        yield from more("planned", table, len(damaged), "job records cannot be read")


def find_unfinished_jobs(deployment: Deployment) -> Iterator[Finding]:
    """Jobs that were planned and never all written, cancellings that have not ended, and claims of drains that died."""
    table, now = deployment.tables.jobs_table, deployment.now()
    planned, cancelled, claims, damaged = [], [], list[dict[str, Any]](), list[JobRecordDamaged]()
    for header in _readable(_headers_beside(claims, deployment, now), damaged):
        if now - header.updated_at <= PLANNED_SECONDS:
            continue
        if header.state in UNFINISHED:
            planned.append(header)
        elif header.cancelled_from and not header.cancel_ended:  # version 0.1 keeps neither
            cancelled.append(header)
    yield from _unreadable(table, damaged)
    for header in sorted(planned, key=lambda each: each.updated_at)[:SHOWN]:
        where = f"Airflow task {header.task_id} of the DAG {header.dag_id}, run {header.run_id}"
        fix = f"Retry or clear the {where}, which resumes it; or give the job up: cancel it."
        text = f"is {header.state.value} since {age(now - header.updated_at)}."
        yield warning("planned", f"job {header.job_id}", text, fix, f"sosw-airflow cancel {header.job_id}")
    yield from more("planned", table, len(planned), "jobs are planned for long and not written")
    for header in cancelled[:SHOWN]:
        command = f"sosw-airflow cancel {header.job_id}"
        text = f"was cancelled {age(now - header.updated_at)} ago, but not to the end: tasks of it may still be queued."
        yield warning("cancelled", f"job {header.job_id}", text, "Cancel it again, which finishes that.", command)
    if cancelled:
        yield from more("cancelled", table, len(cancelled), "jobs are cancelled in part")
    yield from _claims(deployment, claims)


def _is_old_claim(item: Mapping[str, Any], now: float) -> bool:
    """A job has it, and had it an hour ago."""
    made = float(item.get("expires_at", {}).get("N", now)) - RECORD_SECONDS
    return bool(item.get("claimed_by", {}).get("S")) and now - made > PLANNED_SECONDS


def _claims(deployment: Deployment, claims: list[dict[str, Any]]) -> Iterator[Finding]:
    """Claims of jobs without a header. A job that has one is unfinished, or over: its claim stops no drain."""
    records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table, now=deployment.now)
    for item in claims[: 10 * SHOWN]:
        file, job_id = item.get("file", {}).get("S", ""), item["claimed_by"]["S"]
        if not file.startswith("s3://") or records.header(job_id) is not None:
            continue
        bucket, key = split_s3_url(file)
        if any(head_object(deployment.s3, bucket, each).exists is not False for each in (key, locked_key(key))):
            command = shlex.join(["sosw-airflow", "drain", file, "--take-locked"])
            fix = "Retry the Airflow task that drains it; or drain it from here."
        else:
            names = {name: item[name] for name in ("job_id", "record")}
            parts = ["--table-name", deployment.tables.jobs_table, "--key", json.dumps(names)]
            command = shlex.join(["aws", "dynamodb", "delete-item", *parts])
            fix = "The file is gone: remove the claim."
        text = f"was claimed by the job {job_id}, which ended before it had a plan."
        yield warning("claim", file, text, fix, command)


def check_queue(deployment: Deployment, labourer_id: str) -> Iterator[Finding]:
    """Tasks of a labourer that no orchestrator invokes, or that none takes back after their time."""
    now = int(deployment.now())
    subject = f"queue of {labourer_id}"
    waiting = _first(deployment, labourer_id, "greenfield <= :to", {":to": {"N": str(now)}})
    waits = now - float(waiting["created_at"]["N"]) if waiting else 0
    if waiting and waits > WAITING_SECONDS:
        fix = "Check whether an orchestrator of Airflow or sosw's runs, knows this labourer, and invokes enough."
        text = f"its first task, {waiting['task_id']['S']} of {_job(waiting)}, waits since {age(waits)}."
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


def more(check: str, subject: str, number: int, what: str) -> Iterator[Finding]:
    """A finding for those that are not spelled out, or for none at all."""
    if not number:
        yield ok(check, subject, f"no {what.replace('are ', '')}.")
    elif number > SHOWN:
        yield warning(check, subject, f"{number} {what}, of which {SHOWN} are shown.", "Fix those first.")


def age(seconds: float) -> str:
    """A length of time for a message."""
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
